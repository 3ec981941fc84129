/** The HTTP API on whatever engine and store there are, with the bounds that hold for what it takes. */
import type { Logger } from 'pino';
import type { BlobStore } from '../blobs/blob-store.js';
import type { Clock } from '../clock.js';
import type { Config } from '../config/options.js';
import { anyOf, Bound, diskBound, queueBound, type Measure } from '../control/bounds.js';
import type { Disk } from '../control/retention.js';
import type { Engine } from '../engine/engine.js';
import type { Dependencies } from '../http/dependencies.js';
import { buildServer } from '../http/server.js';
import type { TaskRegistry } from '../tasks/registry.js';
import type { Doorkeeper } from './access.js';
import { doors } from './doors.js';
import { listen, manners, type Listening } from './listen.js';
import { taskLog } from './logger.js';
import { hasModels, openModels } from './models.js';
import { openMessages } from './mstc.js';

/** @throws where the address cannot be listened on, or models cannot be served; nothing is left open then. */
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
): Promise<Listening> {
  const { engine, disk, clock, logger, config, doorkeeper, metrics } = params;
  const queue = new Bound({
    clock,
    measure: anyOf([...params.storeBounds, queueBound(engine, config.maxWaiting)]),
  });
  const room = new Bound({ clock, measure: diskBound(disk, config.minFree) });
  const jobsRefusal = () => room.refusal ?? queue.refusal;
  const leaving = new AbortController();
  const models = hasModels(config) ? await openModels(config, { clock, logger, metrics }) : undefined;
  let listening: Listening | undefined;
  let messages: Awaited<ReturnType<typeof openMessages>>;
  const stop = async (drained?: Promise<unknown>): Promise<void> => {
    try {
      await Promise.all([listening?.stop(drained), queue.stop(), room.stop(), messages?.close()]);
    } finally {
      await models?.close();
    }
  };
  try {
    const app = await buildServer(
      {
        ...params,
        ...manners(config, doorkeeper, leaving.signal),
        jobsRefusal,
        dataRefusal: () => room.refusal,
      },
      logger,
      models ? [...doors, models.door] : doors,
    );
    listening = await listen(app, { ...params, leaving });
    await Promise.all([queue.start(), room.start()]);
    messages = await openMessages({ ...params, log: taskLog(logger), jobsRefusal });
    return { url: listening.url, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
