/** Sends bytes straight to the store, by a link that the server gave. */
import { createHash } from 'node:crypto';
import type { UploadLink } from '../contract/blob.js';
import { fileChunks, fileSize, uploadBody } from './bytes.js';
import { Connection } from './transport.js';

export async function measure(
  data: Uint8Array | { readonly path: string },
): Promise<{ size: number; digest: string }> {
  const hash = createHash('sha256');
  if (data instanceof Uint8Array) return { size: data.length, digest: hash.update(data).digest('hex') };
  const size = await fileSize(data.path);
  for await (const chunk of fileChunks(data.path, size)) hash.update(chunk);
  return { size, digest: hash.digest('hex') };
}

/** @throws ClientError where the store refuses the bytes, such as those of a file that has changed since. */
export async function sendTo(
  { method, url, headers }: UploadLink,
  data: Uint8Array | { readonly path: string },
  options: { signal: AbortSignal | undefined; timeoutMs: number },
): Promise<void> {
  const body = await uploadBody(data, headers['content-type'] ?? 'application/octet-stream');
  const store = new Connection(new URL('/', url), undefined); // the API key is no business of the store
  const answer = await store.open({ method, path: url, headers, body, ...options });
  answer.discard();
}
