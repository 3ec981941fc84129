/** The HTTP client of the benches: node:http on kept connections, bodies from memory, file or generator. */
import http from 'node:http';
import { createReadStream, createWriteStream, statSync } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

const agent = new http.Agent({ keepAlive: true });
const chunk = 1024 * 1024;

/**
 * Sends one request and reads the answer. `body` is a Buffer, `{ file }` or an async iterable of Buffers (sent
 * chunked). With `to`, the answer's body goes to that file.
 * @throws Error when the status is not one of `expect`
 */
export async function request({ method = 'GET', url, headers = {}, body, to, expect = [200] }) {
  const length = body instanceof Uint8Array ? body.length : body?.file ? statSync(body.file).size : undefined;
  const req = http.request(url, {
    method,
    agent,
    headers: { ...headers, ...(length === undefined ? {} : { 'content-length': length }) },
  });
  const answered = new Promise((resolve, reject) => {
    req.once('response', resolve);
    req.once('error', reject);
  });
  // A server that refuses early closes while the body is still being sent: then its answer is the news, and
  // the broken pipe is not.
  const sent = pipeline(source(body), req).catch((error) => error);
  const res = await answered;
  if (to !== undefined && expect.includes(res.statusCode)) {
    await pipeline(res, createWriteStream(to, { highWaterMark: chunk }));
    return { status: res.statusCode };
  }
  const parts = [];
  for await (const part of res) parts.push(part);
  const text = Buffer.concat(parts).toString();
  if (!expect.includes(res.statusCode)) {
    throw new Error(`${method} ${url} answered ${res.statusCode}: ${text.slice(0, 500)}`);
  }
  const failure = await sent;
  if (failure) throw failure;
  const isJson = text !== '' && (res.headers['content-type'] ?? '').includes('json');
  return { status: res.statusCode, text, json: isJson ? JSON.parse(text) : undefined };
}

function source(body) {
  if (body === undefined) return Readable.from([]);
  if (body instanceof Uint8Array) return Readable.from(slices(body));
  if (body.file) return createReadStream(body.file, { highWaterMark: chunk });
  return Readable.from(body);
}

function* slices(buffer) {
  for (let at = 0; at < buffer.length; at += chunk) yield buffer.subarray(at, at + chunk);
}
