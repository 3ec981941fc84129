/** A multipart/form-data body over files, streamed, with its length known from the start. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import type { StreamedBody } from './transport.js';

export interface FilePart {
  /** The field of the job's input that the file is for. */
  readonly field: string;
  readonly path: string;
  readonly contentType: string;
}

/** Told the bytes moved so far and in all. */
export type OnBytes = (done: number, total: number) => void;

const newline = '\r\n';

/**
 * The JSON part comes first, so that the server can refuse the job before it takes the files.
 *
 * @param boundary must not occur in the parts: give random text.
 * @throws the file system's error where a file cannot be read.
 */
export async function multipart(params: {
  job: unknown;
  files: readonly FilePart[];
  boundary: string;
  onBytes?: OnBytes | undefined;
}): Promise<StreamedBody> {
  const { boundary, onBytes } = params;
  const head = Buffer.from(
    `--${boundary}${newline}Content-Disposition: form-data; name="job"${newline}` +
      `Content-Type: application/json${newline}${newline}${JSON.stringify(params.job)}${newline}`,
  );
  const tail = Buffer.from(`--${boundary}--${newline}`);
  const parts = await Promise.all(
    params.files.map(async ({ field, path, contentType }) => ({
      path,
      size: await sizeOf(path),
      head: Buffer.from(
        `--${boundary}${newline}Content-Disposition: form-data; name="${field}"; ` +
          `filename="${quoted(basename(path))}"${newline}Content-Type: ${contentType}${newline}${newline}`,
      ),
    })),
  );
  const total = parts.reduce((sum, part) => sum + part.size, 0);
  const framing = parts.reduce((sum, part) => sum + part.head.length + newline.length, 0);
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    length: head.length + total + framing + tail.length,
    async *chunks() {
      let done = 0;
      yield head;
      for (const part of parts) {
        yield part.head;
        let left = part.size;
        // `end` holds a file that grows meanwhile to the length that was announced.
        if (left > 0) {
          const stream = createReadStream(part.path, { end: part.size - 1, highWaterMark: 1 << 20 });
          for await (const chunk of stream) {
            yield chunk as Uint8Array;
            left -= (chunk as Uint8Array).length;
            done += (chunk as Uint8Array).length;
            onBytes?.(done, total);
          }
        }
        if (left > 0) throw new Error(`${part.path} became shorter while it was sent`);
        yield Buffer.from(newline);
      }
      yield tail;
    },
  };
}

async function sizeOf(path: string): Promise<number> {
  const info = await stat(path);
  if (!info.isFile()) throw Object.assign(new Error(`${path} is not a file`), { code: 'ENOTFILE', path });
  return info.size;
}

/** As browsers write file names into the header. */
function quoted(name: string): string {
  return name.replace(/"/g, '%22').replace(/\r/g, '%0D').replace(/\n/g, '%0A');
}
