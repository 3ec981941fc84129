/** A small server for whoever watches over a process that answers no requests otherwise. It shows no job's data. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Clock } from '../clock.js';
import type { Metrics } from './metrics.js';
import { securityHeaders } from './security-headers.js';

export interface HealthSources {
  /** Why the process should be started anew, where it should. */
  readonly ailment: () => string | undefined;
  /** Resolves where the process can do its work now. */
  readonly ready: () => Promise<void>;
  readonly metrics: Metrics;
  readonly clock: Clock;
}

export interface HealthServer {
  readonly url: string;
  stop(): Promise<void>;
}

/** A watcher asks every few seconds, and one by one. */
const maxConnections = 64;
const headersTimeoutMs = 5_000;
/** A server that is away is no answer: whoever asks gets one all the same, in ms. */
const answerMs = 2_000;

/** @throws where the address cannot be listened on. */
export async function startHealthServer(
  params: HealthSources & { host: string; port: number },
): Promise<HealthServer> {
  const { ailment, metrics } = params;
  const server = createServer({ headersTimeout: headersTimeoutMs, requestTimeout: headersTimeoutMs });
  server.maxConnections = maxConnections;
  const routes: Readonly<Record<string, (response: ServerResponse) => Promise<void> | void>> = {
    '/healthz': (response) => answer(response, ailment()),
    '/readyz': async (response) => answer(response, await unreadiness(params)),
    '/metrics': async (response) => {
      const text = await metrics.text();
      response.writeHead(200, { ...securityHeaders, 'content-type': metrics.contentType }).end(text);
    },
  };
  server.on('request', (request, response) => {
    const [path = ''] = (request.url ?? '').split('?', 1);
    const route = request.method === 'GET' || request.method === 'HEAD' ? routes[path] : undefined;
    if (route) void route(response);
    else response.writeHead(404, securityHeaders).end();
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(params.port, params.host, resolve);
  });
  const { address, port, family } = server.address() as AddressInfo;
  return {
    url: `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`,
    stop: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

function answer(response: ServerResponse, trouble: string | undefined): void {
  const headers = { ...securityHeaders, 'content-type': 'application/json' };
  if (trouble === undefined) response.writeHead(200, headers).end('{"status":"ok"}');
  else response.writeHead(503, headers).end(JSON.stringify({ status: 'unavailable', detail: trouble }));
}

async function unreadiness({ ready, clock }: HealthSources): Promise<string | undefined> {
  let cancelLimit = (): void => undefined;
  const limit = new Promise<string>((resolve) => {
    cancelLimit = clock.after(answerMs, () => resolve(`no answer within ${answerMs} ms`));
  });
  const asked = ready().then(
    () => undefined,
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
  return Promise.race([asked, limit]).finally(cancelLimit);
}
