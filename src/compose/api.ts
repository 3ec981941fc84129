/** The HTTP API on whatever engine and store there are, with the bounds that hold for what it takes. */
import type { Logger } from 'pino';
import type { BlobStore } from '../blobs/blob-store.js';
import type { Clock } from '../clock.js';
import type { Config } from '../config/options.js';
import { version } from '../config/version.js';
import { anyOf, Bound, diskBound, queueBound, type Measure } from '../control/bounds.js';
import type { Disk } from '../control/retention.js';
import type { Engine } from '../engine/engine.js';
import type { Dependencies } from '../http/dependencies.js';
import { untilLeft } from '../http/leaving.js';
import { buildServer } from '../http/server.js';
import type { TaskRegistry } from '../tasks/registry.js';
import type { Doorkeeper } from './access.js';
import { doors } from './doors.js';
import { taskLog } from './logger.js';
import { openMessages } from './mstc.js';

export interface RunningApi {
  readonly url: string;
  /** Takes no more requests after `leaveMs`; those under way have until a moment after `drained`. */
  stop(drained?: Promise<unknown>): Promise<void>;
}

/** How often connections are closed that have become idle while the others end, in ms. */
const lookMs = 100;

/** @throws where the address cannot be listened on; nothing is left open then. */
export async function startApi(
  params: Pick<Dependencies, 'workers' | 'healthy' | 'scaling' | 'metrics' | 'projected'> & {
    engine: Engine;
    blobs: BlobStore;
    tasks: TaskRegistry;
    disk: Disk;
    clock: Clock;
    logger: Logger;
    config: Config;
    doorkeeper: Doorkeeper;
    /** Of the store of the jobs, beside their number. */
    storeBounds: readonly Measure[];
    /** How long it takes requests yet when it stops, in ms, while clients that keep connections take leave. */
    leaveMs: number;
    /** How long requests may still take then, once the jobs have drained, in ms. */
    lingerMs: number;
  },
): Promise<RunningApi> {
  const { engine, disk, clock, logger, config, doorkeeper } = params;
  const { access, keyring } = doorkeeper;
  const queue = new Bound({
    clock,
    measure: anyOf([...params.storeBounds, queueBound(engine, config.maxWaiting)]),
  });
  const room = new Bound({ clock, measure: diskBound(disk, config.minFree) });
  const jobsRefusal = () => room.refusal ?? queue.refusal;
  const leaving = new AbortController();
  const app = await buildServer(
    {
      ...params,
      leaving: leaving.signal,
      jobsRefusal,
      dataRefusal: () => room.refusal,
      bodyLimit: config.bodyLimit,
      access,
      patience: {
        headerTimeout: 1_000 * config.headerTimeout,
        bodyTimeout: 1_000 * config.bodyTimeout,
        answerTimeout: 1_000 * config.answerTimeout,
      },
      maxConnections: config.maxConnections,
      version,
    },
    logger,
    doors,
  );
  const url = await app.listen({
    host: config.host,
    port: config.port,
    listenTextResolver: () => 'listening',
  });
  keyring.start();
  await Promise.all([queue.start(), room.start()]);
  let messages: Awaited<ReturnType<typeof openMessages>>;
  const stop = async (drained: Promise<unknown> = Promise.resolve()): Promise<void> => {
    leaving.abort();
    await untilLeft(app, clock, params.leaveMs);
    const closed = app.close();
    const bounds = Promise.all([queue.stop(), room.stop(), messages?.close()]);
    await drained;
    keyring.stop();
    const cut = clock.after(params.lingerMs, () => app.server.closeAllConnections());
    const idle = clock.every(lookMs, () => app.server.closeIdleConnections());
    await closed;
    cut();
    idle();
    await bounds;
  };
  try {
    messages = await openMessages({ ...params, log: taskLog(logger), jobsRefusal });
  } catch (error) {
    await stop();
    throw error;
  }
  return { url, stop };
}
