import { Type } from 'typebox';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../clock.js';
import { defineTask, PermanentError, stopReasonOf } from '../tasks/task.js';
import { MemoryBlobs, runTask } from './index.js';

const double = defineTask({
  type: 'double',
  input: { type: 'object', properties: { n: { type: 'number' } }, required: ['n'] },
  output: Type.Object({ twice: Type.Number() }),
  admit: (input) => {
    if (input.n < 0) throw new PermanentError('n is below 0');
    return { n: Math.round(input.n) };
  },
  run: ({ n }, { attempt, progress, log }) => {
    progress(0.5, 'half');
    log.warn('doubling', { n });
    if (n === 13) throw new PermanentError('unlucky', { code: 'thirteen' });
    if (n > attempt * 100) throw new Error('not yet');
    return n === 7 ? ({ twice: 'many' } as unknown as { twice: number }) : { twice: 2 * n };
  },
});

/** Ends when its signal aborts, or never. */
const waiting = (obedient: boolean) =>
  defineTask({
    type: 'waiting',
    input: Type.Unknown(),
    output: Type.Unknown(),
    run: (_input, { signal, progress }) =>
      new Promise((_resolve, reject) => {
        if (obedient) signal.addEventListener('abort', () => reject(signal.reason as Error));
        progress(0);
      }),
  });

describe('a task that is run without a server', () => {
  it('gives its output, its progress and its logs', async () => {
    const run = await runTask(double, { n: 20.9 });
    expect(run.output).toEqual({ twice: 42 });
    expect(run.progress).toEqual([{ fraction: 0.5, message: 'half' }]);
    expect(run.logs).toEqual([{ level: 'warn', message: 'doubling', details: { n: 21 } }]);
  });

  it('gets no input that a server would refuse', async () => {
    const wrong = runTask(double, { n: 'x' } as unknown as { n: number });
    await expect(wrong).rejects.toMatchObject({ code: 'invalid-request', field: 'input.n' });
    await expect(runTask(double, { n: -1 })).rejects.toMatchObject({
      code: 'invalid-request',
      message: 'input: n is below 0',
    });
    await expect(runTask(double, { n: NaN })).rejects.toMatchObject({ field: 'input.n' }); // null in JSON
  });

  it('gives no output that does not fit its schema', async () => {
    await expect(runTask(double, { n: 7 })).rejects.toMatchObject({
      code: 'invalid-output',
      field: 'output.twice',
    });
  });

  it('throws its own errors, in the attempt that it is told', async () => {
    const unlucky = await runTask(double, { n: 13 }).catch((error: unknown) => error);
    expect(unlucky).toBeInstanceOf(PermanentError);
    expect(unlucky).toMatchObject({ code: 'thirteen' });
    await expect(runTask(double, { n: 150 })).rejects.toThrow('not yet');
    expect((await runTask(double, { n: 150 }, { attempt: 2 })).output).toEqual({ twice: 300 });
  });

  it('reads the blobs that it is given, and leaves its own', async () => {
    const copy = defineTask({
      type: 'copy',
      input: Type.Object({ blob: Type.String() }),
      output: Type.Object({ blob: Type.String() }),
      run: async ({ blob }, { blobs }) => {
        const writer = await blobs.create({ mediaType: 'text/plain' });
        for await (const chunk of blobs.read({ id: blob })) await writer.write(chunk);
        return { blob: (await writer.commit()).id };
      },
    });
    const blobs = new MemoryBlobs();
    const text = 'ü'.repeat(100_000);
    const { output } = await runTask(copy, { blob: blobs.put(text) }, { blobs });
    expect(Buffer.from(blobs.bytes(output.blob)).toString()).toBe(text);
  });

  it('is aborted when the test says so', async () => {
    const abort = new AbortController();
    const onProgress = (): void => abort.abort();
    const run = runTask(waiting(true), {}, { signal: abort.signal, onProgress });
    await expect(run).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('leaves what it printed', async () => {
    const task = defineTask({
      ...double,
      run: (_input, { output }) => {
        output('half a ');
        output('line\n');
        return { twice: 0 };
      },
    });
    expect((await runTask(task, { n: 1 })).printed).toBe('half a line\n');
  });

  it.each([undefined, 'drain'] as const)('is told why it is stopped: %s', async (stopReason) => {
    const abort = new AbortController();
    let told: unknown;
    const task = defineTask({
      ...double,
      run: (_input, { signal }) => {
        abort.abort();
        told = stopReasonOf(signal);
        return { twice: 0 };
      },
    });
    await runTask(task, { n: 1 }, { signal: abort.signal, ...(stopReason && { stopReason }) });
    expect(told).toBe(stopReason ?? 'cancelled');
  });

  it('fails when it goes on after its signal has aborted', async () => {
    const began = systemClock.monotonic();
    const run = runTask(waiting(false), {}, { signal: AbortSignal.abort() });
    await expect(run).rejects.toThrow('went on for 2000 ms after its signal had aborted');
    expect(systemClock.monotonic() - began).toBeGreaterThan(1_900);
  });
});
