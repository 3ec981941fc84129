import { Busboy } from '@fastify/busboy';
import { once } from 'node:events';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { multipart } from './multipart.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dray-multipart-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function part(field: string, name: string, content: Uint8Array) {
  const path = join(folder, name);
  await writeFile(path, content);
  return { field, path, contentType: 'application/x-npy' };
}

/** All parts as a parser reads them that shares no code with the writer. */
async function parse(bytes: Buffer, contentType: string): Promise<{ name: string; content: Buffer }[]> {
  const busboy = new Busboy({ headers: { 'content-type': contentType } });
  const parts: Promise<{ name: string; content: Buffer }>[] = [];
  busboy.on('field', (name, value) => parts.push(Promise.resolve({ name, content: Buffer.from(value) })));
  busboy.on('file', (name, stream) => parts.push(buffer(stream).then((content) => ({ name, content }))));
  busboy.end(bytes);
  await once(busboy, 'finish');
  return Promise.all(parts);
}

describe('a multipart body', () => {
  it('is read by an independent parser as the job and its files, and is as long as announced', async () => {
    const large = new Uint8Array(2_500_000).map((_, at) => (at * 31) % 251);
    const files = [
      await part('a', 'with "quotes".npy', large),
      await part('b', 'empty.npy', new Uint8Array()),
    ];
    const seen: [number, number | undefined][] = [];
    const body = await multipart({
      job: { type: 'matmul', input: { verify: false } },
      files,
      boundary: 'the-boundary',
      onBytes: (done, total) => seen.push([done, total]),
    });
    const bytes = await buffer(body.chunks());
    expect(bytes.length).toBe(body.length);

    const parts = await parse(bytes, body.contentType);
    expect(parts.map(({ name }) => name)).toEqual(['job', 'a', 'b']);
    expect(JSON.parse(parts[0]!.content.toString())).toEqual({ type: 'matmul', input: { verify: false } });
    expect(parts[1]!.content.equals(large)).toBe(true);
    expect(parts[2]!.content).toHaveLength(0);
    expect(seen.length).toBeGreaterThan(1);
    expect(seen.at(-1)).toEqual([large.length, large.length]);
  });

  it('fails where a file became shorter than announced', async () => {
    const file = await part('a', 'a.npy', new Uint8Array(1000));
    const body = await multipart({ job: {}, files: [file], boundary: 'x' });
    await truncate(file.path, 10);
    await expect(buffer(body.chunks())).rejects.toThrow('became shorter');
  });

  it('refuses a folder', async () => {
    const file = { field: 'a', path: folder, contentType: 'application/x-npy' };
    await expect(multipart({ job: {}, files: [file], boundary: 'x' })).rejects.toThrow('is not a file');
  });
});
