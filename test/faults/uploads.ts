/** Blobs that are sent while faults happen: one that was accepted is whole, of one that was refused nothing is left. */
import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openFilesystemBlobs } from '../../src/blobs/filesystem.js';
import { systemClock } from '../../src/clock.js';
import type { Random } from '../support/random.js';

export class Uploads {
  /** Digests by id. */
  readonly accepted = new Map<string, string>();
  /** How often each status was the answer, 0 for none. */
  readonly answers = new Map<number, number>();
  readonly #random: Random;
  readonly #largest: number;

  /** @param largest in bytes. */
  constructor(random: Random, largest: number) {
    this.#random = random;
    this.#largest = largest;
  }

  async send(url: string): Promise<void> {
    // Most are small, as most blobs are.
    const bytes = new Uint8Array(Math.ceil(this.#largest * this.#random.next() ** 4)).fill(
      this.#random.between(0, 255),
    );
    let status = 0;
    try {
      const response = await fetch(`${url}/v1/blobs`, {
        method: 'POST',
        headers: { 'content-type': 'application/octet-stream' },
        body: bytes,
      });
      status = response.status;
      const { id } = (await response.json()) as { id: string };
      if (status === 201) this.accepted.set(id, createHash('sha256').update(bytes).digest('hex'));
    } catch {
      // The server has cut the connection: the blob may be there or not.
    }
    this.answers.set(status, (this.answers.get(status) ?? 0) + 1);
  }

  /** How the accepted ones read over HTTP. @returns what is wrong. */
  async check(url: string): Promise<string[]> {
    const wrong: string[] = [];
    for (const [id, digest] of this.accepted) {
      const response = await fetch(`${url}/v1/blobs/${id}`);
      const bytes = new Uint8Array(await response.arrayBuffer());
      if (createHash('sha256').update(bytes).digest('hex') !== digest)
        wrong.push(`blob ${id} was accepted, and reads as ${response.status} with ${bytes.length} bytes`);
    }
    return wrong;
  }

  summary(): string {
    return [...this.answers].map(([status, count]) => `${count} × ${status}`).join(', ');
  }
}

/** Looks at every blob of a folder that no server has open. @returns what is wrong. */
export async function checkBlobs(data: string): Promise<string[]> {
  const wrong: string[] = [];
  const folder = join(data, 'blobs');
  const temporary = await readdir(join(folder, 'tmp'), { recursive: true, withFileTypes: true });
  for (const entry of temporary) if (entry.isFile()) wrong.push(`${entry.name} was left half-written`);
  const blobs = await openFilesystemBlobs({ folder, clock: systemClock });
  for (const id of await blobs.list({ limit: Infinity })) {
    const info = await blobs.stat({ id });
    const hash = createHash('sha256');
    if (info) for await (const chunk of blobs.read({ id })) hash.update(chunk);
    if (hash.digest('hex') !== info?.digest) wrong.push(`blob ${id} is damaged`);
  }
  await blobs.close();
  return wrong;
}
