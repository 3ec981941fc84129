/** One HTTP exchange over node:http, whose streams keep large bodies out of memory. */
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { Readable } from 'node:stream';
import { problemError, transportError } from './error.js';

export interface StreamedBody {
  readonly contentType: string;
  /** Bytes in all; exactly so many must come. */
  readonly length: number;
  chunks(): AsyncIterable<Uint8Array>;
}

export interface Call {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Relative to the base address, without a leading slash. */
  readonly path: string;
  readonly accept?: string;
  readonly json?: unknown;
  readonly body?: StreamedBody;
  readonly idempotencyKey?: string;
  readonly signal?: AbortSignal;
}

/**
 * Sends the call and resolves with an answer below 400, its body unread.
 *
 * An answer that comes before the whole body was sent ends the sending: a refused upload is not carried on.
 * @throws ClientError; or the signal's reason when aborted; or what reading the body's source threw.
 */
export async function exchange(base: URL, call: Call, apiKey?: string): Promise<IncomingMessage> {
  const response = await send(base, call, apiKey);
  const status = response.statusCode ?? 0;
  if (status < 400) return response;
  const text = await readText(base, response, call.signal);
  throw problemError(status, response.headers['content-type'] ?? '', text);
}

function send(base: URL, call: Call, apiKey: string | undefined): Promise<IncomingMessage> {
  const url = new URL(call.path, base);
  const json = call.json === undefined ? undefined : Buffer.from(JSON.stringify(call.json));
  const headers: Record<string, string | number> = {
    accept: call.accept ?? 'application/json',
    ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
    ...(call.idempotencyKey === undefined ? {} : { 'idempotency-key': call.idempotencyKey }),
    ...(json ? { 'content-type': 'application/json', 'content-length': json.length } : {}),
    ...(call.body ? { 'content-type': call.body.contentType, 'content-length': call.body.length } : {}),
  };
  const open = url.protocol === 'https:' ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const request = open(url, {
      method: call.method,
      headers,
      ...(call.signal ? { signal: call.signal } : {}),
    });
    const source = call.body ? Readable.from(call.body.chunks(), { objectMode: false }) : undefined;
    let sourceError: Error | undefined;
    request.once('response', (response) => {
      source?.destroy();
      // A connection on which half a request lies cannot be used again.
      response.once('close', () => {
        if (!request.writableFinished) request.destroy();
      });
      resolve(response);
    });
    request.once('error', (error) => {
      source?.destroy();
      if (call.signal?.aborted) reject(call.signal.reason as Error);
      else reject(sourceError ?? transportError(base, error, source ? 'sending' : 'waiting for an answer'));
    });
    // After the answer, errors of the abandoned request have nobody to tell.
    request.on('error', () => undefined);
    if (source) {
      source.once('error', (error) => {
        sourceError = error;
        request.destroy(error);
      });
      source.pipe(request);
    } else request.end(json);
  });
}

/** The bytes of an answer; a broken connection is a ClientError. */
export async function* readChunks(
  base: URL,
  response: IncomingMessage,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of response) yield chunk as Uint8Array;
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    throw transportError(base, error, 'reading the answer');
  }
}

export async function readText(base: URL, response: IncomingMessage, signal?: AbortSignal): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of readChunks(base, response, signal)) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}
