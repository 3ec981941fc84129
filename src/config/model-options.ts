/** The options of models that are served (docs/models.md). */
import type { Mode, Option } from './option.js';

/** What the options of this file set in Config. Durations in seconds. */
export interface ModelConfig {
  readonly models: string | undefined;
  readonly modelThreads: number;
  readonly modelBatchRows: number;
  readonly modelBatchTime: number;
  readonly modelQueue: number;
}

const modes: readonly Mode[] = ['serve', 'api', 'models'];

export const modelOptions: readonly Option[] = [
  {
    name: 'models',
    flag: '--models',
    variable: 'DRAY_MODELS',
    modes,
    type: 'string',
    defaultIn: { models: './models' },
    doc: 'folder of models to serve, <model>/<version>/model.onnx; without one there are none',
  },
  {
    name: 'modelThreads',
    flag: '--model-threads',
    variable: 'DRAY_MODEL_THREADS',
    modes,
    type: 'integer',
    default: '1',
    min: 1,
    max: 256,
    doc: 'threads that run models, each with all of them in memory',
  },
  {
    name: 'modelBatchRows',
    flag: '--model-batch-rows',
    variable: 'DRAY_MODEL_BATCH_ROWS',
    modes,
    type: 'integer',
    default: '64',
    min: 1,
    max: 65_536,
    doc: 'rows of several requests that run together at most, where the model takes any number; 1 runs each request by itself',
  },
  {
    name: 'modelBatchTime',
    flag: '--model-batch-time',
    variable: 'DRAY_MODEL_BATCH_TIME',
    modes,
    type: 'duration',
    default: '0',
    min: 0,
    max: 10,
    doc: 'how long the first request of a batch waits for more while a thread is free; 0 lets batches grow only while all threads are busy',
  },
  {
    name: 'modelQueue',
    flag: '--model-queue',
    variable: 'DRAY_MODEL_QUEUE',
    modes,
    type: 'integer',
    default: '1000',
    min: 1,
    max: 1_000_000,
    doc: 'requests that may wait for a thread; more are refused with 429',
  },
];
