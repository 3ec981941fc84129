/**
 * What stands after a blob's bytes in its file. Bytes and description are one file, so that one fsync and one
 * rename publish both together, and a file that lost its end is recognised.
 *
 * Layout: 8 bytes magic with the format's version, then JSON, padded with spaces to `footerSize`.
 */
export interface Footer {
  /** Bytes before the footer. */
  readonly size: number;
  readonly digest: string;
  readonly mediaType: string;
}

/** Holds the longest media type even when every character of it needs an escape. */
export const footerSize = 512;

const magic = 'DRAYBLB1';

export function writeFooter(footer: Footer, target: Buffer, at: number): void {
  const { size, digest, mediaType } = footer;
  target.fill(' ', at, at + footerSize);
  target.write(magic + JSON.stringify({ size, digest, mediaType }), at, footerSize, 'latin1');
}

/** The description in a file's last bytes; undefined where they are no footer of a file of that size. */
export function readFooter(bytes: Buffer, fileSize: number): Footer | undefined {
  if (bytes.toString('latin1', 0, magic.length) !== magic) return undefined;
  let parsed: Partial<Record<keyof Footer, unknown>>;
  try {
    parsed = JSON.parse(bytes.toString('latin1', magic.length)) as typeof parsed;
  } catch {
    return undefined;
  }
  const { size, digest, mediaType } = parsed;
  if (size !== fileSize - footerSize || typeof digest !== 'string' || typeof mediaType !== 'string') {
    return undefined;
  }
  return { size, digest, mediaType };
}
