/** HTTP exchanges over node:http, whose streams keep large bodies out of memory. */
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { Readable } from 'node:stream';
import { ClientError, problemError, stalledError, transportError, unexpectedAnswer } from './error.js';

export interface StreamedBody {
  readonly contentType: string;
  /** Bytes in all, where they are known: exactly so many must come. */
  readonly length?: number;
  chunks(): AsyncIterable<Uint8Array>;
}

export interface BytesBody {
  readonly contentType: string;
  readonly bytes: Uint8Array;
}

export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Relative to the base address, without a leading slash; or a whole address. */
  readonly path: string;
  readonly accept?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: StreamedBody | BytesBody;
  readonly signal?: AbortSignal | undefined;
  /** A connection on which nothing moves for so long is given up. */
  readonly timeoutMs: number;
}

/** One answer below 400, its body unread. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  /** The body as it comes, once. Leaving it early closes the connection. @throws ClientError; the signal's reason. */
  chunks(): AsyncGenerator<Uint8Array, void>;
  /** Closes the connection of an answer whose body nobody will read: left alone, it would be held for ever. */
  discard(): void;
}

/** Where the server is, and who asks. */
export class Connection {
  readonly baseUrl: URL;
  readonly #headers: Readonly<Record<string, string>>;

  /** @param baseUrl ends in a slash. */
  constructor(baseUrl: URL, apiKey: string | undefined) {
    this.baseUrl = baseUrl;
    this.#headers = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
  }

  /**
   * An answer that comes before the whole body was sent ends the sending: a refused upload is not carried on.
   *
   * @throws ClientError; or the signal's reason when aborted; or what reading the body's source threw.
   */
  async open(call: Call): Promise<Answer> {
    const response = await this.#send(call);
    const status = response.statusCode ?? 0;
    const chunks = (): AsyncGenerator<Uint8Array, void> => this.#read(response, call.signal);
    const discard = (): void => void response.destroy();
    if (status < 400) return { status, headers: response.headers, chunks, discard };
    throw problemError({
      status,
      contentType: response.headers['content-type'] ?? '',
      retryAfter: response.headers['retry-after'],
      body: await textOf(chunks()),
    });
  }

  /** The answer's JSON; undefined where the answer has no body by its status. */
  async json(call: Call): Promise<unknown> {
    const answer = await this.open(call);
    const text = await textOf(answer.chunks());
    if (answer.status === 204) return undefined;
    try {
      return JSON.parse(text);
    } catch {
      throw unexpectedAnswer(this.baseUrl, answer.status, 'is not JSON');
    }
  }

  #send(call: Call): Promise<IncomingMessage> {
    const { method, body, signal, timeoutMs } = call;
    const url = new URL(call.path, this.baseUrl);
    const length = body && ('bytes' in body ? body.bytes.length : body.length);
    const headers = {
      accept: call.accept ?? 'application/json',
      ...this.#headers,
      ...call.headers,
      ...(body && { 'content-type': body.contentType }),
      ...(length !== undefined && { 'content-length': length }),
    };
    const open = url.protocol === 'https:' ? httpsRequest : httpRequest;
    return new Promise((resolve, reject) => {
      const request = open(url, { method, headers, timeout: timeoutMs, ...(signal && { signal }) });
      const source =
        body && 'chunks' in body ? Readable.from(body.chunks(), { objectMode: false }) : undefined;
      const during = source ? 'sending' : 'waiting for an answer';
      let response: IncomingMessage | undefined;
      let cause: Error | undefined;
      request.once('response', (answer) => {
        response = answer;
        source?.destroy();
        // A connection on which half a request lies cannot be used again.
        answer.once('close', () => {
          if (!request.writableFinished) request.destroy();
        });
        resolve(answer);
      });
      request.on('timeout', () => {
        // Bytes that nobody has taken yet: it is the reader who rests, not the server.
        if (response && response.readableLength > 0) request.setTimeout(timeoutMs);
        else {
          cause = stalledError(this.baseUrl, timeoutMs, response ? 'reading the answer' : during);
          (response ?? request).destroy(cause);
        }
      });
      request.once('error', (error) => {
        source?.destroy();
        if (signal?.aborted) reject(signal.reason as Error);
        else reject(cause ?? transportError(this.baseUrl, error, during));
      });
      // After the answer, errors of the abandoned request have nobody to tell.
      request.on('error', () => undefined);
      if (source) {
        source.once('error', (error) => {
          cause = error;
          request.destroy(error);
        });
        source.pipe(request);
      } else request.end(body && 'bytes' in body ? body.bytes : undefined);
    });
  }

  async *#read(response: IncomingMessage, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array, void> {
    try {
      for await (const chunk of response) yield chunk as Uint8Array;
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      throw error instanceof ClientError ? error : transportError(this.baseUrl, error, 'reading the answer');
    }
  }
}

async function textOf(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const read: Uint8Array[] = [];
  for await (const chunk of chunks) read.push(chunk);
  return Buffer.concat(read).toString('utf8');
}
