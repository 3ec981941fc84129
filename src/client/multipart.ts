/** A multipart/form-data body over files, streamed, with its length known from the start. */
import { basename } from 'node:path';
import { fileChunks, fileSize, type OnBytes } from './bytes.js';
import type { StreamedBody } from './transport.js';

export interface FilePart {
  /** The field of the job's input that the file is for. */
  readonly field: string;
  readonly path: string;
  readonly contentType: string;
}

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
      size: await fileSize(path),
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
        for await (const chunk of fileChunks(part.path, part.size)) {
          yield chunk;
          done += chunk.length;
          onBytes?.(done, total);
        }
        yield Buffer.from(newline);
      }
      yield tail;
    },
  };
}

/** As browsers write file names into the header. */
function quoted(name: string): string {
  return name.replace(/"/g, '%22').replace(/\r/g, '%0D').replace(/\n/g, '%0A');
}
