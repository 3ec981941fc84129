/** What the engine past one machine is opened with. */
import type { Clock } from '../../clock.js';
import type { Log } from '../../log.js';

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
  /** The name of this process among all others. */
  readonly process?: string;
  /** By which jobs are stored; that of Redis where it is not given, one authority for all processes. */
  readonly time?: Pick<Clock, 'now' | 'monotonic'>;
  /** For how long a queue that no claim waits for is still consumed, in ms. */
  readonly lingerMs?: number;
  /** For how long what waited in a queue is waited for when it is opened, after the last of it came, in ms. */
  readonly gatherMs?: number;
  /** So many messages may wait for RabbitMQ while it is away; then submits are refused. */
  readonly mostUnsent?: number;
}
