import { afterEach, describe, expect, it } from 'vitest';
import { ManualClock } from '../../test/support/manual-clock.js';
import { eventually } from '../../test/support/eventually.js';
import type { Tensors } from './tensor.js';
import { Threads } from './threads.js';

let threads: Threads | undefined;
afterEach(() => threads?.close());

function start(size: number): { threads: Threads; clock: ManualClock; told: string[] } {
  const clock = new ManualClock();
  const told: string[] = [];
  const log = {
    info: () => undefined,
    warn: (message: string, details?: Record<string, unknown>) =>
      void told.push(`${message}: ${String(details?.['reason'])}`),
  };
  const script = new URL('../../test/support/model-thread.mjs', import.meta.url);
  return { threads: (threads = new Threads({ size, clock, log, script })), clock, told };
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
      await expect(threads.run('m', word('again'))).rejects.toMatchObject(gone);
      expect(told).toEqual([expect.stringContaining(reason)]);
      clock.advance(1_000);
      const answer = await eventually(
        () => threads.run('m', word('again')).catch(() => undefined),
        (outputs) => outputs !== undefined,
      );
      expect(answer).toEqual(word('again'));
    },
  );

  it('and dies takes none of the others with it', async () => {
    const { threads } = start(2);
    await threads.load('m', 'file');
    const dying = threads.run('m', word('exit'));
    const answers = await Promise.all([threads.run('m', word('a')), dying.catch(() => 'gone')]);
    expect(answers).toEqual([word('a'), 'gone']);
    expect(await threads.run('m', word('b'))).toEqual(word('b'));
    expect(await threads.load('n', 'file')).toEqual({ inputs: [], outputs: [] });
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
