/** Which objects there are in the bucket, and under which keys (see ../s3.ts). */
import { blobIdShape } from '../blob-store.js';
import type { Bucket } from './bucket.js';
import type { WriterKeys } from './writer.js';

const anonymous = 'anonymous';
/** Stands where a writer's name stands elsewhere. */
const linked = 'links';

export class Layout {
  readonly #prefix: string;
  readonly #writer: string;

  /** @param writer the name of this process as a writer. */
  constructor(prefix: string, writer = anonymous) {
    this.#prefix = prefix;
    this.#writer = writer;
  }

  get blobs(): string {
    return `${this.#prefix}blobs/`;
  }

  /** Of notes: those of one writer, or all. */
  notes(writer?: string): string {
    return `${this.#prefix}uploads/${writer === undefined ? '' : `${writer}/`}`;
  }

  keys(id: string): WriterKeys {
    const data = `${this.blobs}${id}`;
    return { data, record: `${data}.json`, note: `${this.notes(this.#writer)}${id}` };
  }

  linkNote(id: string): string {
    return `${this.notes(linked)}${id}`;
  }
}

/** What there is of one blob. */
export interface Holding {
  readonly id: string;
  /** Of the bytes. */
  readonly size: number;
  readonly record: boolean;
}

/** What there is of each blob whose id is above `after`, in ascending order; an answer of the server at a time. */
export async function* holdings(bucket: Bucket, prefix: string, after: string): AsyncGenerator<Holding> {
  let start = after === '' ? undefined : `${prefix}${after}.json`;
  let current: Holding | undefined;
  for (let more = true; more;) {
    const page = await bucket.list({ prefix, ...(start !== undefined && { after: start }) });
    for (const { key, size } of page.objects) {
      const [id = '', kind] = key.slice(prefix.length).split('.', 2);
      if (!blobIdShape.test(id) || (kind !== undefined && kind !== 'json')) continue;
      if (current !== undefined && current.id !== id) {
        yield current;
        current = undefined;
      }
      const known = current ?? { id, size: 0, record: false };
      current = kind === undefined ? { ...known, size } : { ...known, record: true };
    }
    start = page.objects.at(-1)?.key;
    more = page.more && start !== undefined;
  }
  if (current !== undefined) yield current;
}
