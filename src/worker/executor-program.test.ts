import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../test/support/manual-clock.js';
import { eventually } from '../../test/support/eventually.js';
import { TaskRegistry } from '../tasks/registry.js';
import { stopReasonOf, type StopReason, type TaskContext } from '../tasks/task.js';
import { MemoryBlobs } from '../testing/memory-blobs.js';
import { serveExecutor } from './executor-program.js';
import type { FromExecutor, RunMessage, ToExecutor } from './protocol.js';

/** The program with a task whose runs the test ends, by the number of the attempt. */
function serve() {
  const began: number[] = [];
  const threads: number[] = [];
  const reasons: (StopReason | undefined)[] = [];
  const ends = new Map<number, () => void>();
  const task = {
    type: 'any',
    input: {},
    output: {},
    run: (_: unknown, context: TaskContext) =>
      new Promise<number>((resolve, reject) => {
        began.push(context.attempt);
        ends.set(context.attempt, () => {
          threads.push(context.threads());
          resolve(context.attempt);
        });
        context.signal.addEventListener('abort', () => {
          reasons.push(stopReasonOf(context.signal));
          reject(context.signal.reason as Error);
        });
      }),
  };
  const said: FromExecutor[] = [];
  let tell!: (message: ToExecutor) => void;
  serveExecutor(
    {
      tasks: new TaskRegistry([task]),
      blobs: new MemoryBlobs(),
      clock: new ManualClock(),
      memoryLimit: 1,
    },
    { onMessage: (listener) => (tell = listener), send: (message) => void said.push(message) },
  );
  const run = (number: number): RunMessage => ({
    run: number,
    jobId: `job-${number}`,
    type: 'any',
    input: { inline: null },
    attempt: number,
    threads: 4,
  });
  return {
    began,
    threads,
    reasons,
    said,
    tell: (message: ToExecutor) => tell(message),
    runs: (...numbers: number[]) => tell({ kind: 'run', runs: numbers.map(run) }),
    end: (number: number) => ends.get(number)!(),
    begun: (count: number) =>
      eventually(
        () => began,
        ({ length }) => length >= count,
      ),
    heard: (count: number) =>
      eventually(
        () => said,
        ({ length }) => length >= count,
      ),
  };
}

describe('the program of an executor', () => {
  it('runs one after the other, in the order in which they came, and says each end by its number', async () => {
    const { runs, began, begun, end, heard } = serve();
    runs(1, 2);
    runs(3);
    for (const number of [1, 2, 3]) {
      await begun(number);
      expect(began).toEqual([1, 2, 3].slice(0, number));
      end(number);
    }
    expect(await heard(4)).toMatchObject([
      { kind: 'ready' },
      { kind: 'done', run: 1, result: { inline: 1 } },
      { kind: 'done', run: 2, result: { inline: 2 } },
      { kind: 'done', run: 3, result: { inline: 3 } },
    ]);
  });

  it('drops a run that is stopped before its turn, and never begins it', async () => {
    const { runs, began, begun, end, heard, tell } = serve();
    runs(1, 2, 3);
    await begun(1);
    tell({ kind: 'stop', run: 2, reason: 'cancelled' });
    end(1);
    await begun(2);
    end(3);
    expect(await heard(4)).toMatchObject([
      { kind: 'ready' },
      { kind: 'dropped', run: 2 },
      { kind: 'done', run: 1 },
      { kind: 'done', run: 3 },
    ]);
    expect(began).toEqual([1, 3]);
  });

  it('aborts the run that is stopped in its turn, with the reason, and goes on with the next', async () => {
    const { runs, begun, end, heard, reasons, tell } = serve();
    runs(1, 2);
    await begun(1);
    tell({ kind: 'stop', run: 1, reason: 'timeout' });
    await begun(2);
    end(2);
    const message = expect.stringContaining('timeout') as string;
    expect(await heard(3)).toMatchObject([
      { kind: 'ready' },
      { kind: 'failed', run: 1, failure: { message } },
      { kind: 'done', run: 2 },
    ]);
    expect(reasons).toEqual(['timeout']);
  });

  it('takes a stop of what has ended for none of the next', async () => {
    const { runs, begun, end, heard, tell } = serve();
    runs(1, 2);
    await begun(1);
    end(1);
    await begun(2);
    tell({ kind: 'stop', run: 1, reason: 'cancelled' });
    end(2);
    expect(await heard(3)).toMatchObject([
      { kind: 'ready' },
      { kind: 'done', run: 1 },
      { kind: 'done', run: 2 },
    ]);
  });

  it('gives a run the threads that it was told of last', async () => {
    const { runs, begun, end, heard, threads, tell } = serve();
    runs(1);
    await begun(1);
    tell({ kind: 'threads', threads: 2 });
    end(1);
    await heard(2);
    expect(threads).toEqual([2]);
  });
});
