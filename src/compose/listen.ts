/** A server on its address, from its options: how it is reached, and how it stops. */
import type { Clock } from '../clock.js';
import type { Config } from '../config/options.js';
import { version } from '../config/version.js';
import type { App, ServerDependencies } from '../http/dependencies.js';
import type { Doorkeeper } from './access.js';

export interface Listening {
  readonly url: string;
  /** Takes no more requests; those under way have until a moment after `drained`. */
  stop(drained?: Promise<unknown>): Promise<void>;
}

/** How long requests may still take once the jobs have drained, in ms. */
const lingerMs = 2_000;

/** What any server has of its options. */
export function manners(
  config: Config,
  { access }: Doorkeeper,
): Omit<ServerDependencies, 'clock' | 'metrics'> {
  return {
    bodyLimit: config.bodyLimit,
    access,
    patience: {
      headerTimeout: 1_000 * config.headerTimeout,
      bodyTimeout: 1_000 * config.bodyTimeout,
      answerTimeout: 1_000 * config.answerTimeout,
    },
    maxConnections: config.maxConnections,
    version,
  };
}

/** @throws where the address cannot be listened on. */
export async function listen(
  app: App,
  { config, doorkeeper, clock }: { config: Config; doorkeeper: Doorkeeper; clock: Clock },
): Promise<Listening> {
  const { keyring } = doorkeeper;
  const url = await app.listen({
    host: config.host,
    port: config.port,
    listenTextResolver: () => 'listening',
  });
  keyring.start();
  return {
    url,
    stop: async (drained = Promise.resolve()) => {
      const closed = app.close();
      await drained;
      keyring.stop();
      app.server.closeIdleConnections();
      const cancelTimer = clock.after(lingerMs, () => app.server.closeAllConnections());
      await closed;
      cancelTimer();
    },
  };
}
