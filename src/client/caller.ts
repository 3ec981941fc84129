/** How calls are made: with the client's settings, again where that is safe, and aborted when told. */
import { systemClock } from '../clock.js';
import type { ByteRange, Bytes } from './bytes.js';
import { unexpectedAnswer } from './error.js';
import type { CallOptions, ClientOptions } from './options.js';
import { Patience, persist, type ClientClock } from './retry.js';
import { Connection, type Call } from './transport.js';

/** A call that may leave its timeout to the client's settings. */
export type Request = Omit<Call, 'timeoutMs' | 'signal'> & { readonly timeoutMs?: number };

export class Caller {
  readonly connection: Connection;
  readonly clock: ClientClock;
  readonly timeoutMs: number;
  readonly #patienceMs: number;

  /** @throws TypeError where the address is no http or https address. */
  constructor(options: ClientOptions) {
    const baseUrl = new URL(options.baseUrl ?? 'http://127.0.0.1:8080');
    if (!/^https?:$/.test(baseUrl.protocol))
      throw new TypeError(`baseUrl: ${baseUrl.href} is not http or https`);
    if (!baseUrl.pathname.endsWith('/')) baseUrl.pathname += '/';
    this.connection = new Connection(baseUrl, options.apiKey);
    this.clock = options.clock ?? systemClock;
    this.timeoutMs = options.timeoutMs ?? 60_000;
    this.#patienceMs = options.patienceMs ?? 10_000;
  }

  /** One try. */
  async once<T>(request: Request, { signal }: CallOptions): Promise<T> {
    return (await this.connection.json({ timeoutMs: this.timeoutMs, ...request, signal })) as T;
  }

  /** Tries for as long as patience lasts. Only for what may be done twice. */
  repeat<T>(request: Request, options: CallOptions): Promise<T> {
    return this.persist(options, () => this.once<T>(request, options));
  }

  persist<T>(options: CallOptions, attempt: (repeated: boolean) => Promise<T>): Promise<T> {
    return persist(this.patience(options), options.signal, attempt);
  }

  patience({ patienceMs = this.#patienceMs }: CallOptions): Patience {
    return new Patience(this.clock, patienceMs);
  }

  /** Repeats until the answer begins; a stream that breaks later is the reader's to ask for again. */
  async bytes(path: string, options: CallOptions & { accept?: string; range?: ByteRange }): Promise<Bytes> {
    const { range, accept = '*/*', signal } = options;
    const last = range?.end === undefined ? '' : range.end - 1;
    const headers = range ? { range: `bytes=${range.start}-${last}` } : {};
    const call: Call = { method: 'GET', path, accept, headers, signal, timeoutMs: this.timeoutMs };
    const answer = await this.persist(options, () => this.connection.open(call));
    if (range && answer.status !== 206) {
      answer.discard();
      throw unexpectedAnswer(this.connection.baseUrl, answer.status, 'is not the range asked for');
    }
    const length = Number(answer.headers['content-length'] ?? NaN);
    return {
      mediaType: (answer.headers['content-type'] ?? '').split(';')[0]!.trim(),
      length: Number.isNaN(length) ? undefined : length,
      chunks: answer.chunks(),
    };
  }
}
