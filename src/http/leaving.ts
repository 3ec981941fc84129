/** A server that stops, and others that stand in for it: clients that keep their connections must hear of it. */
import type { Clock } from '../clock.js';
import type { App } from './dependencies.js';

/** How often it is looked whether all have gone, in ms. */
const lookMs = 50;

/**
 * Once the signal aborts, each answer ends its connection, so that the next request makes one, to another server where
 * there is a Service before them. A connection that is just closed may have a request on its way, which would be lost.
 * To be called before there are routes.
 */
export function endConnections(app: App, leaving: AbortSignal): void {
  // Those that wait for an answer by now.
  app.addHook('onSend', (_request, reply, _payload, done) => {
    if (leaving.aborted) void reply.header('connection', 'close');
    done();
  });
  // Of those that come yet also such as are answered past the hooks.
  const closeAfter = (): void => {
    app.server.prependListener('request', (_request, response) => response.setHeader('connection', 'close'));
  };
  leaving.addEventListener('abort', closeAfter, { once: true });
}

/** Resolves when no client has a connection any more, or after so long, in ms. */
export async function untilLeft(app: App, clock: Clock, mostMs: number): Promise<void> {
  const end = clock.monotonic() + mostMs;
  while (clock.monotonic() < end && (await connections(app)) > 0) await clock.sleep(lookMs);
}

function connections(app: App): Promise<number> {
  return new Promise((resolve, reject) => {
    app.server.getConnections((error, count) => {
      if (error) reject(error);
      else resolve(count);
    });
  });
}
