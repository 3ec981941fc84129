/** What the HTTP side needs; compose/ fills it in. */
import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from 'fastify';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { BlobStore } from '../blobs/blob-store.js';
import type { Clock } from '../clock.js';
import type { Worker } from '../contract/worker.js';
import type { Engine } from '../engine/engine.js';
import type { DrayError } from '../jobs/errors.js';
import type { PoolPlans } from '../jobs/scaling.js';
import type { TaskRegistry } from '../tasks/registry.js';
import type { Access } from './access.js';
import type { Metrics } from './metrics.js';
import type { Patience } from './slow-clients.js';

/** What any server needs. */
export interface ServerDependencies {
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly bodyLimit: number;
  readonly access: Access;
  readonly patience: Patience;
  /** Connections above so many are closed as they come. */
  readonly maxConnections: number;
  /** Aborts when the server is about to stop. */
  readonly leaving: AbortSignal;
  readonly version: string;
}

/** What the API needs. */
export interface Dependencies extends ServerDependencies {
  readonly engine: Engine;
  readonly blobs: BlobStore;
  readonly tasks: TaskRegistry;
  /** Of all processes. */
  readonly workers: () => Promise<readonly Worker[]>;
  /** False where the consume loop of a worker in this process has stopped moving. */
  readonly healthy: () => boolean;
  /** The latest plans of the scaling rule; unknown where there is none that still holds. */
  readonly scaling: () => Promise<PoolPlans>;
  /** The types of jobs whose end is told beyond this API too. */
  readonly projected: ReadonlySet<string>;
  /** Why no more jobs are taken now, where that is so: `queue-full` or `storage-full`. */
  readonly jobsRefusal: () => DrayError | undefined;
  /** Why no more data is taken now, where that is so: `storage-full`. */
  readonly dataRefusal: () => DrayError | undefined;
}

/** Adds the routes of one existing client family, in a scope of their own: hooks and error shapes stay inside. */
export interface Door<D extends ServerDependencies = Dependencies> {
  /** @param logger the server's, for requests that have none of their own. */
  (app: App, dependencies: D, logger: FastifyBaseLogger): void;
  /**
   * True where requests have no id, no log line and no log, and where the door counts them for the metrics and
   * sets the security headers by itself: all that costs more than the cheapest answers do. It reads no bodies.
   */
  readonly unwatched?: boolean;
}

export type App = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;
