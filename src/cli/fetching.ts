/** Fetching a result to a file or to stdout. */
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { dirname, extname } from 'node:path';
import { once } from 'node:events';
import type { CommandClient } from './context.js';
import { UsageError } from './failure.js';
import { formatBytes } from './format.js';
import type { Progress } from './progress.js';
import type { Stream, Terminal } from './terminal.js';

export const formats = { npy: 'application/x-npy', json: 'application/json' } as const;
export type Format = keyof typeof formats;

/** The form asked for by name, else by the file's ending, else the server's choice for files and JSON for people. */
export function acceptFor(format: Format | undefined, path: string | undefined): string {
  if (format) return formats[format];
  if (path === undefined) return formats.json;
  const ending = extname(path).slice(1).toLowerCase();
  return ending === 'npy' || ending === 'json' ? formats[ending] : '*/*';
}

/** @throws UsageError where no file can be made at `path`: better now than after the computing. */
export async function checkWritable(path: string): Promise<void> {
  try {
    await access(dirname(path), constants.W_OK);
  } catch {
    throw new UsageError(
      `${path}: cannot write into ${dirname(path)}`,
      'Give a path in a folder that exists.',
    );
  }
}

export async function fetchToFile(params: {
  client: CommandClient;
  id: string;
  accept: string;
  path: string;
  progress: Progress;
  signal: AbortSignal;
}): Promise<{ readonly bytes: number; readonly mediaType: string }> {
  const { client, id, accept, path, progress, signal } = params;
  const stage = progress.stage('download', 'bytes');
  const onBytes = (done: number, total?: number): void => stage.update(done, total ?? done);
  const saved = await client.saveResult(id, { accept, path, onBytes, signal });
  stage.finish(`${formatBytes(saved.bytes)} in ${path}`);
  return saved;
}

/** Writes the result to stdout, no faster than its reader takes it. JSON gets a line's end on a terminal. */
export async function fetchToStdout(params: {
  client: CommandClient;
  id: string;
  accept: string;
  terminal: Terminal;
  signal: AbortSignal;
}): Promise<void> {
  const { client, id, accept, terminal, signal } = params;
  const result = await client.resultStream(id, { accept, signal });
  const out = terminal.out as Stream & NodeJS.WritableStream;
  for await (const chunk of result.chunks) {
    if (!out.write(chunk)) await once(out, 'drain', { signal });
  }
  if (result.mediaType === formats.json) out.write('\n');
}
