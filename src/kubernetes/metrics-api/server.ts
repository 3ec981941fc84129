/**
 * The external metrics API, as the API server asks it. It is closed to all whom the cluster does not know; who may
 * read a figure is decided by the cluster's rules, in each request.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { SecureContextOptions } from 'node:tls';
import type { Clock } from '../../clock.js';
import type { PoolPlans } from '../../jobs/scaling.js';
import type { Log } from '../../log.js';
import { ApiError, isAnswer, type Api } from '../api.js';
import {
  Authentication,
  isKnown,
  readRequestHeaderRules,
  type RequestHeaderRules,
} from './authentication.js';
import { Authorization } from './authorization.js';
import { readCertificates } from './certificate-secret.js';
import { Refusal } from './refusal.js';
import { discovery, externalMetricValues, metricName, parsePath } from './values.js';

const maxConnections = 256;
const headersTimeoutMs = 5_000;
/** Longer than those who ask keep a connection that rests: it is for them to close it. */
const keepAliveTimeoutMs = 120_000;
/** For what is under way when the server is told to stop. */
const graceMs = 2_000;

export interface MetricsApiParams {
  /** Of the namespace for which it has figures. */
  readonly api: Api;
  readonly host: string;
  readonly port: number;
  /** Name of the Secret with its certificates, which somebody else fills and renews. */
  readonly secret: string;
  /** The latest of every pool that there is. */
  readonly plans: () => Promise<PoolPlans>;
  readonly clock: Clock;
  readonly log: Log;
}

export class MetricsApi {
  readonly #params: MetricsApiParams;
  readonly #authentication: Authentication;
  readonly #authorization: Authorization;
  #server: Server | undefined;
  #rules: RequestHeaderRules | undefined;
  /** Those by which a connection was judged, where it has a certificate. */
  readonly #judgedBy = new WeakMap<Socket, RequestHeaderRules | undefined>();
  /** What new connections are made with. */
  #secured = '';

  constructor(params: MetricsApiParams) {
    this.#params = params;
    this.#authentication = new Authentication(params);
    this.#authorization = new Authorization(params);
  }

  /** Undefined until the first `refresh` that did not fail. */
  get address(): AddressInfo | undefined {
    return (this.#server?.address() as AddressInfo | null | undefined) ?? undefined;
  }

  /**
   * Reads certificates and rules, and begins to serve, or goes on by those. To be called again and again.
   * @throws ApiError where they cannot be had: until then it goes on by those that it had.
   */
  async refresh(): Promise<void> {
    const { api, secret } = this.#params;
    const { serving } = await readCertificates(api, secret);
    const rules = await readRequestHeaderRules(api);
    if (!serving) throw new ApiError(`the Secret ${secret} has no certificate yet: the leader makes it`);
    const context: SecureContextOptions = {
      ...serving,
      // Without a list Node would take the certificates of every known authority.
      ca: rules?.authority ?? [],
      minVersion: 'TLSv1.2',
    };
    const secured = JSON.stringify([serving.cert, rules]);
    if (secured === this.#secured) return;
    this.#server?.setSecureContext(context);
    if (JSON.stringify(rules) !== JSON.stringify(this.#rules)) this.#rules = rules;
    this.#server ??= await this.#listen(context);
    this.#secured = secured;
    // Those that do not rest end with their next answer, where the rules are others now.
    this.#server.closeIdleConnections();
  }

  async stop(): Promise<void> {
    const server = this.#server;
    if (!server) return;
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeIdleConnections();
    const cancel = this.#params.clock.after(graceMs, () => server.closeAllConnections());
    await closed;
    cancel();
  }

  async #listen(context: SecureContextOptions): Promise<Server> {
    const server = createServer({
      ...context,
      requestCert: true,
      // Whoever has none may have a token.
      rejectUnauthorized: false,
      handshakeTimeout: headersTimeoutMs,
      headersTimeout: headersTimeoutMs,
      requestTimeout: headersTimeoutMs,
      keepAliveTimeout: keepAliveTimeoutMs,
    });
    server.maxConnections = maxConnections;
    server.on('request', (request, response) => void this.#answer(request, response));
    server.on('secureConnection', (socket) => this.#judgedBy.set(socket, this.#rules));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#params.port, this.#params.host, () => {
        server.off('error', reject).on('error', (error) => {
          this.#params.log.warn('the metrics API failed', { error: error.message });
        });
        resolve();
      });
    });
    return server;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.resume(); // nobody sends a body that matters
    let code = 200;
    let body: unknown;
    try {
      body = await this.#value(request);
    } catch (error) {
      const refusal = refusalOf(error);
      ({ code, status: body } = refusal);
      if (code === 500) this.#params.log.warn('the metrics API failed', { error: String(error) });
    }
    if (this.#judgedBy.get(request.socket) !== this.#rules) response.shouldKeepAlive = false;
    send(response, code, body);
  }

  async #value(request: IncomingMessage): Promise<unknown> {
    const { url: target = '/' } = request;
    if (!URL.canParse(target, 'https://localhost')) throw new Refusal(400, 'the address is none');
    const { pathname: path, searchParams } = new URL(target, 'https://localhost');
    if (/^\/(healthz|livez|readyz)$/.test(path)) return 'ok';
    const identity = await this.#authentication.identify(request, this.#judgedBy.get(request.socket));
    if (!identity) throw new Refusal(401, 'Unauthorized');
    if (request.method !== 'GET') throw new Refusal(405, 'only GET is served here');
    const asked = parsePath(path);
    if (asked) {
      if (!(await this.#authorization.mayRead(identity, asked))) throw forbidden(identity.name, asked);
      return this.#values(asked, searchParams.get('labelSelector') ?? '');
    }
    if (!isKnown(identity)) throw new Refusal(403, `user "${identity.name}" may not read ${path}`);
    const found = Object.hasOwn(discovery, path) ? discovery[path] : undefined;
    if (found === undefined) throw new Refusal(404, `there is nothing at ${path}`);
    return found;
  }

  async #values(asked: { namespace: string; metric: string }, selector: string): Promise<unknown> {
    const { api, plans, clock } = this.#params;
    if (asked.metric !== metricName) {
      throw new Refusal(404, `there is no metric ${asked.metric}; Dray has ${metricName}`);
    }
    if (asked.namespace !== api.namespace) {
      throw new Refusal(
        404,
        `Dray has no figures of namespace ${asked.namespace}; it is in ${api.namespace}`,
      );
    }
    const known = await plans().catch((error: unknown) => {
      throw new Refusal(503, `${metricName} is not known: ${messageOf(error)}`, { cause: error });
    });
    return externalMetricValues({ plans: known, selector, now: clock.now() });
  }
}

function forbidden(user: string, { namespace, metric }: { namespace: string; metric: string }): Refusal {
  return new Refusal(
    403,
    `${metric}.external.metrics.k8s.io is forbidden: User "${user}" cannot list resource "${metric}" in API group "external.metrics.k8s.io" in the namespace "${namespace}"`,
  );
}

function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  // The API server must say who asks: as long as it does not, nobody gets in.
  if (error instanceof ApiError) {
    const message = isAnswer(error, 403)
      ? 'Dray may not ask who this is: its account needs the ClusterRole system:auth-delegator'
      : 'the API server does not say who this is, and what he may do';
    return new Refusal(503, message, { cause: error });
  }
  return new Refusal(500, 'the metrics API failed: see the controller’s log', { cause: error });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function send(response: ServerResponse, code: number, body: unknown): void {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  response
    .writeHead(code, {
      'content-type': typeof body === 'string' ? 'text/plain' : 'application/json',
      'content-length': Buffer.byteLength(text),
      'cache-control': 'no-cache, private',
      'x-content-type-options': 'nosniff',
    })
    .end(text);
}
