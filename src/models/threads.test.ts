import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ManualClock } from '../../test/support/manual-clock.js';
import type { Tensors } from './tensor.js';
import { Threads } from './threads.js';

let threads: Threads | undefined;
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dray-threads-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true }); // ends slow loads
  await threads?.close();
});

/** @returns what stands for a model's file. @param beside as model-thread.mjs knows it. */
async function put(name: string, beside?: 'slow' | 'refused'): Promise<string> {
  await mkdir(join(folder, name), { recursive: true });
  if (beside) await writeFile(join(folder, name, beside), '');
  return join(folder, name, 'model.onnx');
}

function start(size: number) {
  const lost: string[] = [];
  const onLost = (key: string, reason: string) => void lost.push(`${key}: ${reason}`);
  const clock = new ManualClock();
  const told: string[] = [];
  const log = {
    info: () => undefined,
    warn: (message: string, details?: Record<string, unknown>) =>
      void told.push(`${message}: ${String(details?.['reason'])}`),
  };
  const script = new URL('../../test/support/model-thread.mjs', import.meta.url);
  return { threads: (threads = new Threads({ size, clock, log, onLost, script })), clock, told, lost };
}

const word = (text: string): Tensors => ({ x: { type: 'string', dims: [1], data: [text] } });
const gone = { code: 'unavailable', message: expect.stringContaining('is gone') as string };

describe('a thread that runs models', () => {
  it.each([
    ['throws', 'throw', 'as it was told'],
    ['ends', 'exit', 'it ended (exit code 7)'],
  ])(
    'and %s leaves no request without an answer, and is replaced by one with the same models',
    async (_title, fatal, reason) => {
      const { threads, clock, told } = start(1);
      await threads.load('m', 'file');
      const waiting = [threads.run('m', word('wait')), threads.run('m', word('wait'))];
      const dying = threads.run('m', word(fatal));
      for (const answer of await Promise.allSettled([...waiting, dying]))
        expect(answer).toEqual({ status: 'rejected', reason: expect.objectContaining(gone) as unknown });
      const later = threads.run('m', word('again'));
      expect(told).toEqual([expect.stringContaining(reason)]);
      clock.advance(1_000);
      expect(await later).toEqual(word('again'));
    },
  );

  it('and dies takes none of the others with it', async () => {
    const { threads } = start(2);
    await threads.load('m', 'file');
    const dying = threads.run('m', word('exit'));
    const answers = await Promise.all([threads.run('m', word('a')), dying.catch(() => 'gone')]);
    expect(answers).toEqual([word('a'), 'gone']);
    expect(await threads.run('m', word('b'))).toEqual(word('b'));
    expect(await threads.load('n', 'file')).toMatchObject({ inputs: [{ name: 'x' }] });
  });

  it('says why a file cannot be used, and runs nothing that is not loaded', async () => {
    const { threads } = start(2);
    await expect(threads.load('m', 'damaged')).rejects.toThrow('it is damaged');
    await expect(threads.run('m', word('a'))).rejects.toMatchObject(gone);
    await threads.load('m', 'file');
    await threads.unload('m');
    await expect(threads.run('m', word('a'))).rejects.toMatchObject(gone);
  });
});

describe('a model that is loaded later', () => {
  it.each([1, 2])('keeps no other from running, with threads: %s', async (size) => {
    const { threads } = start(size);
    await threads.load('m', await put('m'));
    const load = threads.load('n', await put('n', 'slow'), { beside: true });
    for (const text of ['a', 'b', 'c'])
      expect(await Promise.all([0, 1].map(() => threads.run('m', word(text))))).toEqual([
        word(text),
        word(text),
      ]);
    await rm(join(folder, 'n', 'slow'));
    const seen: string[] = [];
    void load.then(() => seen.push('loaded'));
    while (seen.length === 0) expect(await threads.run('m', word('a'))).toEqual(word('a'));
    for (const key of ['m', 'n']) {
      expect(await Promise.all([0, 1].map(() => threads.run(key, word(key))))).toEqual([
        word(key),
        word(key),
      ]);
    }
  });

  it.each([1, 2])('and is damaged takes nothing from the others, with threads: %s', async (size) => {
    const { threads, told, lost } = start(size);
    await threads.load('m', await put('m'));
    await expect(threads.load('n', await put('n', 'refused'), { beside: true })).rejects.toThrow(
      'it is damaged',
    );
    await expect(threads.run('n', word('a'))).rejects.toMatchObject(gone);
    expect(await threads.run('m', word('a'))).toEqual(word('a'));
    expect([...told, ...lost]).toEqual([]);
  });

  it('leaves to the thread before it what cannot be loaded any more, until that is unloaded', async () => {
    const { threads, lost } = start(1);
    await threads.load('m', await put('m'));
    await put('m', 'refused');
    await threads.load('n', await put('n'), { beside: true });
    expect(await threads.run('m', word('a'))).toEqual(word('a'));
    expect(await threads.run('n', word('b'))).toEqual(word('b'));
    await threads.unload('m');
    await expect(threads.run('m', word('a'))).rejects.toMatchObject(gone);
    expect(await threads.run('n', word('b'))).toEqual(word('b'));
    expect(lost).toEqual([]);
  });
});

describe('a model whose thread died', () => {
  it('and that the next one cannot load is lost, and nobody waits for it', async () => {
    const { threads, clock, lost } = start(1);
    await threads.load('m', await put('m'));
    await threads.load('n', await put('n'));
    await put('m', 'refused');
    await expect(threads.run('m', word('exit'))).rejects.toMatchObject(gone);
    const waiting = threads.run('m', word('a'));
    const failure = expect(waiting).rejects.toMatchObject(gone);
    clock.advance(1_000);
    await failure;
    expect(lost).toEqual(['m: it is damaged']);
    await expect(threads.run('m', word('a'))).rejects.toMatchObject(gone);
    expect(await threads.run('n', word('b'))).toEqual(word('b'));
  });
});
