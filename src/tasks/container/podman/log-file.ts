/** The file in which podman keeps what a container prints. */
import { open, stat, type FileHandle } from 'node:fs/promises';
import type { Clock } from '../../../clock.js';

/** In ms; whoever watches a log sees it grow as fast. */
const pause = 250;
const chunkSize = 64 * 1024;
const [newline, space, full] = [0x0a, 0x20, 0x46];

/**
 * What the container prints, from the beginning of the file until nothing more can come. What was printed before the
 * file grew too large, and was begun anew, is gone for who comes later.
 * @param params.ended settles once the container has ended.
 * @throws the signal's reason when aborted; the file system's error where the file cannot be read.
 */
export async function* readLogFile(params: {
  path: string;
  ended: Promise<unknown>;
  clock: Clock;
  signal: AbortSignal;
}): AsyncGenerator<Uint8Array, void> {
  const { path, clock, signal } = params;
  let over = false as boolean;
  const settle = (): void => void (over = true);
  params.ended.then(settle, settle);
  let file = await open(path);
  let lines = new Lines();
  try {
    for (;;) {
      // Both are asked before reading: what was printed until then is in the file.
      const last = over;
      const replaced = await isReplaced(path, file);
      yield* printedIn(file, lines);
      if (replaced) {
        await file.close();
        file = await open(path);
        lines = new Lines();
      } else if (last) return;
      else await clock.sleep(pause, signal);
    }
  } finally {
    await file.close();
  }
}

/** From where the last reading of the file ended. */
async function* printedIn(file: FileHandle, lines: Lines): AsyncGenerator<Buffer, void> {
  for (;;) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(chunkSize), 0, chunkSize, null);
    if (bytesRead === 0) return;
    const printed = lines.take(buffer.subarray(0, bytesRead));
    if (printed.length > 0) yield printed;
  }
}

/** Lines are `<time> <stream> <F or P> <text>`; what is printed ends its line after F, and goes on after P. */
class Lines {
  /** The beginning of a line that is not all there yet; what writes them breaks them after some KiB. */
  #begun: Buffer = Buffer.alloc(0);

  take(bytes: Buffer): Buffer {
    const chunk = this.#begun.length === 0 ? bytes : Buffer.concat([this.#begun, bytes]);
    const texts: Buffer[] = [];
    let begin = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, begin)) {
      const stream = chunk.indexOf(space, begin) + 1;
      const tag = chunk.indexOf(space, stream) + 1;
      texts.push(chunk.subarray(tag + 2, chunk[tag] === full ? end + 1 : end));
      begin = end + 1;
    }
    this.#begun = chunk.subarray(begin);
    return Buffer.concat(texts);
  }
}

/** Once it is, nothing more is written to the old one. */
async function isReplaced(path: string, file: FileHandle): Promise<boolean> {
  const now = await stat(path).catch(() => undefined);
  return now !== undefined && now.ino !== (await file.stat()).ino;
}
