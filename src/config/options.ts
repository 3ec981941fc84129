/** The option table: flags, variables, keys of the file, help and docs all come from here. */
import { KiB, MiB } from '../jobs/limits.js';
import { containerOptions, type ContainerConfig } from './container-options.js';
import { deploymentOptions } from './deployment-options.js';
import { kubernetesOptions, type KubernetesConfig } from './kubernetes-options.js';
import { modelOptions, type ModelConfig } from './model-options.js';
import type { Mode, Option } from './option.js';

/** What a server runs with. Sizes in bytes, durations in seconds. */
export interface Config extends ContainerConfig, KubernetesConfig, ModelConfig {
  readonly port: number;
  readonly host: string;
  readonly auth: 'auto' | 'keys' | 'insecure-open';
  readonly openDoors: boolean;
  readonly data: string;
  readonly keys: string | undefined;
  readonly minExecutors: number;
  readonly maxExecutors: number;
  readonly tasks: readonly string[];
  readonly inlineSlots: number;
  readonly drainTarget: number;
  readonly slo: number;
  readonly drainGrace: number;
  readonly simulate: number;
  readonly executorMemory: number;
  readonly bodyLimit: number;
  readonly headerTimeout: number;
  readonly bodyTimeout: number;
  readonly answerTimeout: number;
  readonly maxConnections: number;
  readonly maxWaiting: number;
  readonly keepFor: number;
  readonly keepJobs: number;
  readonly diskShare: number;
  readonly keepUploads: number;
  readonly minFree: number | undefined;
  readonly blas: string | undefined;
  readonly logLevel: string;
  readonly queue: string | undefined;
  readonly state: string | undefined;
  readonly blobs: string | undefined;
  readonly allowBuckets: readonly string[];
  readonly queuePrefix: string;
  readonly types: readonly string[];
  /** JSON, or the path of a file with it: compose/pools.ts reads it. */
  readonly pools: string | undefined;
  readonly pool: string;
  readonly slotsPerWorker: number | undefined;
  readonly minWorkers: number;
  readonly maxWorkers: number;
  readonly utilisation: number;
  readonly startEndState: string | undefined;
  readonly healthPort: number;
}

/** In seconds. */
const day = 24 * 3_600;
/** Below it an executor has no room for work beside itself. */
export const leastExecutorMemory = 256 * MiB;

const everywhere: readonly Mode[] = ['serve', 'api', 'worker', 'controller'];
/** Those that answer requests, that run jobs, and that keep house. */
const answering: readonly Mode[] = ['serve', 'api', 'models'];
const submitting: readonly Mode[] = ['serve', 'api'];
const computing: readonly Mode[] = ['serve', 'worker'];
const keeping: readonly Mode[] = ['serve', 'controller'];

export const options: readonly Option[] = [
  {
    name: 'port',
    flag: '--port',
    variable: 'DRAY_PORT',
    modes: answering,
    type: 'integer',
    default: '8080',
    defaultIn: { models: '8501' },
    min: 0,
    max: 65_535,
    doc: 'port of the HTTP API; 0 takes a free one',
  },
  {
    name: 'host',
    flag: '--host',
    variable: 'DRAY_HOST',
    modes: [...everywhere, 'models'],
    type: 'string',
    default: '127.0.0.1',
    doc: 'address to listen on; for the API beyond loopback only with API keys (docs/security.md)',
  },
  {
    name: 'auth',
    flag: '--auth',
    variable: 'DRAY_AUTH',
    modes: answering,
    type: 'string',
    default: 'auto',
    values: ['auto', 'keys', 'insecure-open'],
    doc: 'auto: API keys are needed as soon as there is one; keys: always; insecure-open: whoever reaches the address may do everything',
  },
  {
    name: 'openDoors',
    flag: '--open-doors',
    variable: 'DRAY_OPEN_DOORS',
    modes: answering,
    type: 'switch',
    default: 'false',
    doc: 'the doors of existing clients (docs/doors.md), and nothing else, need no API key',
  },
  {
    name: 'data',
    flag: '--data',
    variable: 'DRAY_DATA',
    modes: answering,
    type: 'string',
    default: './.dray',
    doc: 'folder of the database, the blobs and the API keys; `dray api` has only the keys there',
  },
  {
    name: 'keys',
    flag: '--keys',
    variable: 'DRAY_KEYS',
    modes: answering,
    type: 'string',
    doc: 'file of the API keys (default: keys.json in --data)',
  },
  {
    name: 'minExecutors',
    flag: '--min-executors',
    variable: 'DRAY_MIN_EXECUTORS',
    modes: ['serve'],
    type: 'integer',
    default: '1',
    min: 0,
    max: 1_024,
    doc: 'processes that run jobs, one job each: never fewer than these',
  },
  {
    name: 'maxExecutors',
    flag: '--max-executors',
    variable: 'DRAY_MAX_EXECUTORS',
    modes: ['serve'],
    type: 'integer',
    min: 1,
    max: 1_024,
    doc: 'never more executors than these (default: one a core)',
  },
  {
    name: 'tasks',
    flag: '--tasks',
    variable: 'DRAY_TASKS',
    modes: everywhere,
    type: 'list',
    default: '',
    doc: 'modules with tasks of your own, such as ./my-tasks.js; several are separated by commas',
  },
  {
    name: 'inlineSlots',
    flag: '--inline-slots',
    variable: 'DRAY_INLINE_SLOTS',
    modes: computing,
    type: 'integer',
    default: '100',
    min: 1,
    max: 10_000,
    doc: 'how many jobs of inline tasks run at a time, in the process of the server',
  },
  {
    name: 'drainTarget',
    flag: '--drain-target',
    variable: 'DRAY_DRAIN_TARGET',
    modes: keeping,
    type: 'duration',
    default: '5s',
    defaultApart: '60s',
    min: 0.1,
    max: 86_400,
    doc: 'executors, or workers, are started so that what waits is worked off within this time',
  },
  {
    name: 'slo',
    flag: '--slo',
    variable: 'DRAY_SLO',
    modes: keeping,
    type: 'duration',
    default: '1s',
    defaultApart: '5m',
    min: 0.1,
    max: 86_400,
    doc: 'while a job has waited longer than this, there should be one more executor, or worker, than there is',
  },
  {
    name: 'drainGrace',
    flag: '--drain-grace',
    variable: 'DRAY_DRAIN_GRACE',
    modes: computing,
    type: 'duration',
    default: '30s',
    min: 0,
    max: 86_400,
    doc: 'after SIGTERM, what runs may end within this time; the rest goes back to the queue, and that costs no attempt',
  },
  {
    name: 'simulate',
    flag: '--simulate-workload',
    variable: 'SIMULATE_WORKLOAD_DURATION_IN_SEC',
    modes: computing,
    type: 'duration',
    default: '0',
    min: 0,
    max: 86_400,
    doc: 'matrix and start/end jobs hold their slot for this time instead of computing; 0 computes',
  },
  {
    name: 'executorMemory',
    flag: '--executor-memory',
    variable: 'DRAY_EXECUTOR_MEMORY',
    modes: computing,
    type: 'bytes',
    min: leastExecutorMemory,
    doc: 'memory that one executor may use, such as 2g (default: 3g, or its share of the machine)',
  },
  {
    name: 'bodyLimit',
    flag: '--body-limit',
    variable: 'DRAY_BODY_LIMIT',
    modes: answering,
    type: 'bytes',
    default: '4g',
    min: KiB,
    doc: 'largest request body',
  },
  {
    name: 'headerTimeout',
    flag: '--header-timeout',
    variable: 'DRAY_HEADER_TIMEOUT',
    modes: answering,
    type: 'duration',
    default: '10s',
    min: 0.1,
    max: 3_600,
    doc: 'the head of a request must have arrived within this time',
  },
  {
    name: 'bodyTimeout',
    flag: '--body-timeout',
    variable: 'DRAY_BODY_TIMEOUT',
    modes: answering,
    type: 'duration',
    default: '30s',
    min: 0.1,
    max: 3_600,
    doc: 'a body that arrives at less than 1 KiB/s over this time is cut',
  },
  {
    name: 'answerTimeout',
    flag: '--answer-timeout',
    variable: 'DRAY_ANSWER_TIMEOUT',
    modes: answering,
    type: 'duration',
    default: '60s',
    min: 0.1,
    max: 3_600,
    doc: 'an answer of which the client takes nothing for this time is cut',
  },
  {
    name: 'maxConnections',
    flag: '--max-connections',
    variable: 'DRAY_MAX_CONNECTIONS',
    modes: answering,
    type: 'integer',
    default: '10000',
    min: 1,
    doc: 'connections above so many are closed as they come',
  },
  {
    name: 'maxWaiting',
    flag: '--max-waiting',
    variable: 'DRAY_MAX_WAITING',
    modes: submitting,
    type: 'integer',
    default: '1000000',
    min: 1,
    doc: 'while so many jobs wait, new ones are refused with 429',
  },
  {
    name: 'keepFor',
    flag: '--keep-for',
    variable: 'DRAY_KEEP_FOR',
    modes: everywhere,
    type: 'duration',
    default: '7d',
    min: 1,
    max: 10 * 365 * day,
    doc: 'finished jobs are removed, with their blobs, when they are older than this',
  },
  {
    name: 'keepJobs',
    flag: '--keep-jobs',
    variable: 'DRAY_KEEP_JOBS',
    modes: keeping,
    type: 'integer',
    default: '1000000',
    min: 0,
    doc: 'no more finished jobs are kept than these; the oldest go first',
  },
  {
    name: 'diskShare',
    flag: '--disk-share',
    variable: 'DRAY_DISK_SHARE',
    modes: keeping,
    type: 'share',
    default: '0.8',
    min: 0.01,
    max: 1,
    doc: 'the blobs may take this share of what they and the free room are together; above it finished jobs go, the oldest first',
  },
  {
    name: 'keepUploads',
    flag: '--keep-uploads',
    variable: 'DRAY_KEEP_UPLOADS',
    modes: keeping,
    type: 'duration',
    default: '24h',
    min: 60,
    max: 10 * 365 * day,
    doc: 'a blob that no job uses is removed when it is older than this; it must be longer than an upload takes',
  },
  {
    name: 'minFree',
    flag: '--min-free',
    variable: 'DRAY_MIN_FREE',
    modes: submitting,
    type: 'bytes',
    doc: 'while the disk has less room than this, new jobs and uploads are refused with 507; 0 never refuses (default: 5 % of the disk, at least 256m)',
  },
  {
    name: 'blas',
    flag: '--blas',
    variable: 'DRAY_BLAS',
    modes: computing,
    type: 'string',
    doc: 'path of the CBLAS library for matmul (default: the first known one that loads)',
  },
  {
    name: 'logLevel',
    flag: '--log-level',
    variable: 'DRAY_LOG_LEVEL',
    modes: [...everywhere, 'models'],
    type: 'string',
    default: 'info',
    values: ['trace', 'debug', 'info', 'warn', 'error', 'silent'],
    doc: 'how much is logged: trace, debug (each request), info (refused requests too), warn, error or silent',
  },
  ...deploymentOptions,
  ...containerOptions,
  ...kubernetesOptions,
  ...modelOptions,
];
