/** The engine past one machine: Redis keeps the record, RabbitMQ hands it out. */
import type { Clock } from '../../clock.js';
import type { Worker } from '../../contract/worker.js';
import type { ScalingPlan } from '../../jobs/scaling.js';
import type { Log } from '../../log.js';
import type { Engine } from '../engine.js';

export interface ClusterOptions {
  /** amqp:// or amqps:// address. */
  readonly queue: string;
  /** redis:// or rediss:// address. */
  readonly state: string;
  readonly clock: Clock;
  readonly log: Log;
  /** How long finished jobs are kept, in ms: a message of a job that is gone counts as a new one for so long. */
  readonly keepForMs: number;
  /** Before every name in Redis and RabbitMQ; deployments that share servers differ in it. */
  readonly prefix?: string;
}

/** What the processes of a deployment know of each other. Kept in Redis; each entry ends by itself. */
export interface Fleet {
  /** True where `holder` leads for the next `forMs`: the others get false until then. Said again, it goes on. */
  lead(params: { holder: string; forMs: number }): Promise<boolean>;
  /** Lets another lead at once. */
  resign(params: { holder: string }): Promise<void>;
  leader(): Promise<string | undefined>;
  /** Makes the workers of one process known for the next `forMs`. */
  announce(params: { process: string; workers: readonly Worker[]; forMs: number }): Promise<void>;
  workers(): Promise<readonly Worker[]>;
  publishPlan(params: { plan: ScalingPlan; forMs: number }): Promise<void>;
  /** The latest plan that still holds. */
  plan(): Promise<ScalingPlan | undefined>;
}

export interface ClusterStats {
  /** Messages that RabbitMQ has not confirmed yet, of all processes, and how long the oldest has waited, in ms. */
  readonly outbox: { readonly jobs: number; readonly oldestMs: number };
  /** Counted by this process. */
  readonly redelivered: number;
  readonly stale: number;
  readonly reemitted: number;
  readonly deadLettered: number;
}

export interface ClusterEngine extends Engine {
  readonly fleet: Fleet;
  /** False where jobs wait that this process asked for, and none has come for so long that consuming must be stuck. */
  readonly consuming: boolean;
  stats(): Promise<ClusterStats>;
}

/** @throws DrayError where an address cannot be used or its server refuses us. A server that is away is waited for. */
export function openClusterEngine(options: ClusterOptions): Promise<ClusterEngine> {
  return Promise.reject(new Error(`the cluster engine is being built, for ${options.prefix ?? 'dray'}`));
}
