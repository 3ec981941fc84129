/**
 * Requests to a Kubernetes API server. `@kubernetes/client-node` finds it and says who we are (kubeconfig, service
 * account, plugins that fetch tokens). The requests are made here: its own have no time limit, its watch and log
 * readers neither push back nor tell a cut stream from one that ended.
 */
import { setMaxListeners } from 'node:events';
import { request as requestByHttp, type IncomingMessage } from 'node:http';
import { request as requestByHttps, type RequestOptions } from 'node:https';
import type { KubeConfig } from '@kubernetes/client-node';
import type { Clock } from '../clock.js';
import { DrayError } from '../jobs/errors.js';

export type Query = Readonly<Record<string, string>>;

/** For an answer, and for the head of a stream. */
const patienceMs = 15_000;
/** Of a page of a list, or of one event of a watch: objects have at most 1.5 MB each. */
const mostBytes = 64 * 1024 * 1024;
const pageSize = '250';

/** The API server refused, or did not answer: then `answered` is undefined. */
export class ApiError extends DrayError {
  readonly answered: number | undefined;

  constructor(detail: string, options: { answered?: number; cause?: unknown } = {}) {
    super('unavailable', detail, options);
    this.name = 'ApiError';
    this.answered = options.answered;
  }

  /** What we may not do will not be allowed by asking again. */
  get forbidden(): boolean {
    return this.answered === 401 || this.answered === 403;
  }
}

export function isAnswer(error: unknown, status: number): error is ApiError {
  return error instanceof ApiError && error.answered === status;
}

export class Api {
  readonly #config: KubeConfig;
  readonly #server: string;
  readonly #clock: Clock;
  readonly #closed = new AbortController();
  readonly namespace: string;

  constructor(params: { config: KubeConfig; server: string; namespace: string; clock: Clock }) {
    this.#config = params.config;
    this.#server = params.server.replace(/\/$/, '');
    this.#clock = params.clock;
    this.namespace = params.namespace;
    // Each request and each who waits listens to it.
    setMaxListeners(0, this.#closed.signal);
  }

  get server(): string {
    return this.#server;
  }

  /** Aborts when this is closed: what is under way ends. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  close(): void {
    this.#closed.abort(new DrayError('unavailable', 'the connection to Kubernetes is closed'));
  }

  jobs(name = ''): string {
    return `/apis/batch/v1/namespaces/${this.namespace}/jobs${name && `/${name}`}`;
  }

  pods(name = ''): string {
    return `/api/v1/namespaces/${this.namespace}/pods${name && `/${name}`}`;
  }

  secrets(name = ''): string {
    return `/api/v1/namespaces/${this.namespace}/secrets${name && `/${name}`}`;
  }

  async get<T>(path: string, query: Query = {}): Promise<T> {
    return (await this.#json('GET', path, { query })) as T;
  }

  /** What is no JSON, such as what a pod answers through the API server. */
  async text(path: string): Promise<string> {
    return this.#body('GET', path, {});
  }

  /** @returns what has become of it: of a review, the answer. */
  async create<T>(path: string, object: unknown): Promise<T> {
    return (await this.#json('POST', path, { body: object, type: 'application/json' })) as T;
  }

  /**
   * By a merge patch: what is named is set, the rest stays. One that names the object's `resourceVersion`, or its
   * `uid`, is refused with 409 where it has another by now.
   */
  async patch(path: string, change: unknown): Promise<void> {
    await this.#json('PATCH', path, { body: change, type: 'application/merge-patch+json' });
  }

  async delete(path: string, options: unknown): Promise<void> {
    await this.#json('DELETE', path, { body: options, type: 'application/json' });
  }

  /** All that a label selector finds, as the store has it now. */
  async list<T>(path: string, labelSelector: string): Promise<readonly T[]> {
    const items: T[] = [];
    let next = '';
    do {
      const page = await this.get<{ items: T[]; metadata: { continue?: string } }>(path, {
        labelSelector,
        limit: pageSize,
        ...(next && { continue: next }),
      });
      items.push(...page.items);
      next = page.metadata.continue ?? '';
    } while (next !== '');
    return items;
  }

  /**
   * The body of an answer that may go on for long. It ends where the server ends it, and throws where it was cut.
   * @param options.idleMs after so long without a byte it counts as cut.
   */
  async *stream(
    path: string,
    query: Query,
    options: { signal: AbortSignal; idleMs: number },
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const signal = AbortSignal.any([options.signal, this.#closed.signal]);
    const response = await this.#send('GET', path, { query, signal });
    response.socket.setTimeout(options.idleMs, () => {
      response.destroy(new ApiError(`nothing came from ${path} for ${options.idleMs / 1_000} s`));
    });
    try {
      for await (const chunk of response) yield chunk as Uint8Array;
    } catch (error) {
      signal.throwIfAborted();
      throw this.#meant(error);
    }
  }

  async #json(
    method: string,
    path: string,
    params: { query?: Query; body?: unknown; type?: string },
  ): Promise<unknown> {
    const body = await this.#body(method, path, params);
    try {
      return JSON.parse(body) as unknown;
    } catch (error) {
      throw this.#meant(error);
    }
  }

  async #body(
    method: string,
    path: string,
    params: { query?: Query; body?: unknown; type?: string },
  ): Promise<string> {
    const late = new AbortController();
    const cancel = this.#clock.after(patienceMs, () => late.abort(this.#late()));
    const signal = AbortSignal.any([late.signal, this.#closed.signal]);
    try {
      return await text(await this.#send(method, path, { ...params, signal }));
    } catch (error) {
      signal.throwIfAborted();
      throw this.#meant(error);
    } finally {
      cancel();
    }
  }

  /** Resolves with the head of a good answer. @throws ApiError for any other. */
  async #send(
    method: string,
    path: string,
    params: { query?: Query; body?: unknown; type?: string; signal: AbortSignal },
  ): Promise<IncomingMessage> {
    const { signal } = params;
    signal.throwIfAborted();
    const url = new URL(this.#server + path);
    for (const [name, value] of Object.entries(params.query ?? {})) url.searchParams.set(name, value);
    const options: RequestOptions = { method, headers: {}, signal };
    // Each time: tokens and certificates are renewed while we run.
    await this.#config.applyToHTTPSOptions(options);
    const body = params.body === undefined ? undefined : JSON.stringify(params.body);
    const headers = {
      ...(options.headers as Readonly<Record<string, string>>),
      accept: 'application/json, */*',
      ...(body !== undefined && { 'content-type': params.type, 'content-length': Buffer.byteLength(body) }),
    };
    const send = url.protocol === 'http:' ? requestByHttp : requestByHttps;
    const request = send(url, { ...options, headers });
    const cancel = this.#clock.after(patienceMs, () => request.destroy(this.#late()));
    try {
      const response = await new Promise<IncomingMessage>((resolve, reject) => {
        request.on('response', resolve).on('error', reject).end(body);
      });
      const status = response.statusCode ?? 0;
      if (status >= 200 && status < 300) return response;
      const said = await text(response).catch(() => '');
      throw new ApiError(`Kubernetes answers ${status} to ${method} ${path}: ${reasonOf(said)}`, {
        answered: status,
      });
    } catch (error) {
      signal.throwIfAborted();
      throw this.#meant(error);
    } finally {
      cancel();
    }
  }

  #late(): ApiError {
    return new ApiError(`Kubernetes at ${this.#server} did not answer within ${patienceMs / 1_000} s`);
  }

  #meant(error: unknown): ApiError {
    if (error instanceof ApiError) return error;
    const why = error instanceof Error ? error.message || error.name : String(error);
    return new ApiError(`Kubernetes at ${this.#server} does not answer: ${why}`, { cause: error });
  }
}

/** @param namespace undefined: that of the context or, inside of a cluster, of the pod. */
export async function connect(params: { namespace: string | undefined; clock: Clock }): Promise<Api> {
  // A large library: loaded where containers run on Kubernetes, and nowhere else.
  const { KubeConfig } = await import('@kubernetes/client-node');
  const config = new KubeConfig();
  config.loadFromDefault();
  const server = config.getCurrentCluster()?.server;
  // What the library falls back to where it finds nothing.
  if (server === undefined || server === 'http://localhost:8080') {
    throw new DrayError(
      'unavailable',
      'no Kubernetes is configured: set KUBECONFIG, or run inside of a cluster with a service account',
    );
  }
  const context = config.getContextObject(config.getCurrentContext());
  const namespace = params.namespace ?? context?.namespace ?? 'default';
  return new Api({ config, server, namespace, clock: params.clock });
}

async function text(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > mostBytes) throw new ApiError(`an answer of Kubernetes has more than ${mostBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** An error of the API server is an object of kind Status; proxies before it answer with anything. */
function reasonOf(body: string): string {
  try {
    const { message } = JSON.parse(body) as { message?: unknown };
    if (typeof message === 'string') return message;
  } catch {
    // Shown as it is.
  }
  return body.slice(0, 500);
}
