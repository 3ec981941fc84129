/** A server on its address, from its options: how it is reached, and how it stops. */
import type { Clock } from '../clock.js';
import type { Config } from '../config/options.js';
import { version } from '../config/version.js';
import type { App, ServerDependencies } from '../http/dependencies.js';
import { untilLeft } from '../http/leaving.js';
import type { Doorkeeper } from './access.js';

export interface Listening {
  readonly url: string;
  /** Takes no more requests after `leaveMs`; those under way have until `lingerMs` after `drained`. */
  stop(drained?: Promise<unknown>): Promise<void>;
}

/** How often connections are closed that have become idle while the others end, in ms. */
const lookMs = 100;

/** What any server has of its options. */
export function manners(
  config: Config,
  { access }: Doorkeeper,
  leaving: AbortSignal,
): Omit<ServerDependencies, 'clock' | 'metrics'> {
  return {
    bodyLimit: config.bodyLimit,
    access,
    leaving,
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
  params: {
    config: Config;
    doorkeeper: Doorkeeper;
    clock: Clock;
    /** Aborted once it stops; the app has its signal. */
    leaving: AbortController;
    /** How long it takes requests yet when it stops, in ms, while clients that keep connections take leave. */
    leaveMs: number;
    /** How long requests may still take then, once the jobs have drained, in ms. */
    lingerMs: number;
  },
): Promise<Listening> {
  const { config, clock, leaving } = params;
  const { keyring } = params.doorkeeper;
  const url = await app.listen({
    host: config.host,
    port: config.port,
    listenTextResolver: () => 'listening',
  });
  keyring.start();
  return {
    url,
    stop: async (drained = Promise.resolve()) => {
      leaving.abort();
      await untilLeft(app, clock, params.leaveMs);
      const closed = app.close();
      await drained;
      keyring.stop();
      const cut = clock.after(params.lingerMs, () => app.server.closeAllConnections());
      const idle = clock.every(lookMs, () => app.server.closeIdleConnections());
      await closed;
      cut();
      idle();
    },
  };
}
