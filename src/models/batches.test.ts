import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../test/support/manual-clock.js';
import { DrayError } from '../jobs/errors.js';
import { Batches, type BatchOptions } from './batches.js';
import type { Signature, Tensor, Tensors } from './tensor.js';

const row = (...data: number[]): Tensor => ({
  type: 'float32',
  dims: [data.length, 1],
  data: Float32Array.from(data),
});
const info = (shape: readonly number[]) => ({ name: 'x', type: 'float32' as const, shape });
const anyRows: Signature = { inputs: [info([-1, 1])], outputs: [info([-1, 1])] };
const oneRow: Signature = { inputs: [info([1, 1])], outputs: [info([1, 1])] };

/** @param soon what is to be done at once, unless a test says otherwise. */
function setUp(options: Partial<BatchOptions> = {}, soon = (action: () => void) => action()) {
  const clock = new ManualClock();
  const runs: {
    key: string;
    data: number[];
    end: (outputs?: Tensors) => void;
    fail: (error: Error) => void;
  }[] = [];
  const batches = new Batches({
    clock,
    soon,
    options: { threads: 1, batchRows: 4, batchMs: 0, mostWaiting: 10, ...options },
    run: (key, inputs) =>
      new Promise((resolve, reject) => {
        const data = [...(inputs['x']!.data as Float32Array)];
        runs.push({ key, data, end: (outputs = inputs) => resolve(outputs), fail: reject });
      }),
  });
  const submit = (
    data: readonly number[],
    key = 'm',
    signature = anyRows,
    abandoned = () => false,
  ): Promise<number[]> =>
    batches
      .submit({ key, signature, inputs: { x: row(...data) }, rows: data.length, abandoned })
      .then((outputs) => [...(outputs['x']!.data as Float32Array)]);
  /** The next run that has begun. */
  const began = async (count: number): Promise<void> => {
    while (runs.length < count) await Promise.resolve();
  };
  return { clock, batches, runs, submit, began };
}

describe('batches of requests', () => {
  it('run a request at once while a thread is free', async () => {
    const { runs, submit } = setUp();
    const answer = submit([1]);
    expect(runs.map(({ data }) => data)).toEqual([[1]]);
    runs[0]!.end();
    expect(await answer).toEqual([1]);
  });

  it('gather what arrives in one turn, though a thread is free', () => {
    const turn: (() => void)[] = [];
    const { runs, submit } = setUp({}, (action) => turn.push(action));
    void submit([1]);
    void submit([2]);
    expect(runs).toEqual([]);
    expect(turn).toHaveLength(1);
    turn[0]!();
    expect(runs.map(({ data }) => data)).toEqual([[1, 2]]);
  });

  it('gather what waits for a thread, each with its own rows of the answer', async () => {
    const { runs, submit, began } = setUp();
    const answers = [submit([1]), submit([2, 3]), submit([4]), submit([5])];
    runs[0]!.end();
    await began(2);
    expect(runs[1]!.data).toEqual([2, 3, 4, 5]);
    runs[1]!.end();
    expect(await Promise.all(answers)).toEqual([[1], [2, 3], [4], [5]]);
  });

  it('have no more rows than they may, but for a request that has more by itself', async () => {
    const { runs, submit, began } = setUp();
    const answers = [submit([0]), submit([1, 2, 3]), submit([4, 5]), submit([1, 2, 3, 4, 5, 6])];
    runs[0]!.end();
    for (const [at, data] of [
      [1, 2, 3],
      [4, 5],
      [1, 2, 3, 4, 5, 6],
    ].entries()) {
      await began(at + 2);
      expect(runs[at + 1]!.data).toEqual(data);
      runs[at + 1]!.end();
    }
    await Promise.all(answers);
  });

  it('mix neither models nor what a model takes one by one', async () => {
    const { runs, submit, began } = setUp();
    const answers = [
      submit([0]),
      submit([1], 'a'),
      submit([2], 'b'),
      submit([3], 'c', oneRow),
      submit([4], 'c', oneRow),
    ];
    for (const [at, data] of [[0], [1], [2], [3], [4]].entries()) {
      await began(at + 1);
      expect(runs[at]!.data).toEqual(data);
      runs[at]!.end();
    }
    await Promise.all(answers);
  });

  it('wait for company for a window, where there is one', async () => {
    const { clock, runs, submit } = setUp({ batchMs: 5 });
    const answers = [submit([1]), submit([2])];
    expect(runs).toEqual([]);
    clock.advance(5);
    expect(runs.map(({ data }) => data)).toEqual([[1, 2]]);
    runs[0]!.end();
    await Promise.all(answers);
  });

  it('run before the window is over once they are full', async () => {
    const { runs, submit } = setUp({ batchMs: 5 });
    const answers = [submit([1, 2]), submit([3, 4])];
    expect(runs.map(({ data }) => data)).toEqual([[1, 2, 3, 4]]);
    runs[0]!.end();
    await Promise.all(answers);
  });

  it('that are full, or can have no company, do not wait for the window of one that came before', async () => {
    const { clock, runs, submit } = setUp({ batchMs: 5, threads: 3 });
    const answers = [
      submit([1], 'a'),
      submit([2, 3], 'b'),
      submit([4], 'c', oneRow),
      submit([5, 6], 'b'),
      submit([7], 'd'),
    ];
    expect(runs.map(({ data }) => data)).toEqual([[4], [2, 3, 5, 6]]);
    clock.advance(5);
    expect(runs.map(({ data }) => data).slice(2)).toEqual([[1]]);
    runs[2]!.end();
    expect(await answers[0]).toEqual([1]);
    runs[0]!.end();
    while (runs.length < 4) await Promise.resolve();
    expect(runs[3]!.data).toEqual([7]);
    for (const { end } of runs) end();
    await Promise.all(answers);
  });

  it('use all threads', () => {
    const { runs, submit } = setUp({ threads: 2 });
    void submit([1]);
    void submit([2]);
    void submit([3]);
    expect(runs.map(({ data }) => data)).toEqual([[1], [2]]);
  });

  it('share out what arrives in one turn where several threads are free', () => {
    const turn: (() => void)[] = [];
    const { runs, submit } = setUp({ threads: 2 }, (action) => turn.push(action));
    for (const value of [1, 2, 3]) void submit([value]);
    turn[0]!();
    expect(runs.map(({ data }) => data)).toEqual([[1, 2], [3]]);
  });

  it('refuse a request while too many wait', () => {
    const { submit } = setUp({ mostWaiting: 2 });
    void submit([1]);
    void submit([2]);
    void submit([3]);
    expect(() => submit([4])).toThrow(expect.objectContaining({ code: 'queue-full' }) as Error);
  });

  it('refuse nothing that a free thread takes at once, however few may wait', () => {
    const { runs, submit } = setUp({ mostWaiting: 1, threads: 2 }, () => undefined);
    void submit([1]);
    void submit([2]);
    void submit([3]);
    expect(runs.map(({ data }) => data)).toEqual([[1], [2]]);
    expect(() => submit([4])).toThrow(expect.objectContaining({ code: 'queue-full' }) as Error);
  });

  it('blame only the request that the model cannot take', async () => {
    const { runs, submit, began } = setUp();
    const first = submit([0]);
    const answers = Promise.allSettled([submit([1]), submit([2])]);
    runs[0]!.end();
    await began(2);
    runs[1]!.fail(new DrayError('invalid-request', 'out of range'));
    await began(3);
    runs[2]!.end();
    await began(4);
    runs[3]!.fail(new DrayError('invalid-request', 'out of range: 2'));
    expect(await first).toEqual([0]);
    expect(await answers).toEqual([
      { status: 'fulfilled', value: [1] },
      {
        status: 'rejected',
        reason: expect.objectContaining({ code: 'invalid-request', message: 'out of range: 2' }) as unknown,
      },
    ]);
  });

  it('take nothing for the fault of a client that is not said to be', async () => {
    const { runs, submit } = setUp();
    const answer = submit([1]);
    runs[0]!.fail(new TypeError('a bug'));
    await expect(answer).rejects.toMatchObject({ code: 'internal', message: 'a bug' });
  });

  it('run each by itself once outputs together have been too large', async () => {
    const { runs, submit, began } = setUp();
    const answers = [submit([0]), submit([1]), submit([2])];
    runs[0]!.end();
    await began(2);
    runs[1]!.fail(new DrayError('body-too-large', 'the outputs have too many elements'));
    for (const [at, data] of [[1], [2]].entries()) {
      await began(at + 3);
      expect(runs[at + 2]!.data).toEqual(data);
      runs[at + 2]!.end();
    }
    expect(await Promise.all(answers)).toEqual([[0], [1], [2]]);
    const later = [submit([3]), submit([4]), submit([5])];
    for (const [at, data] of [[3], [4], [5]].entries()) {
      await began(at + 5);
      expect(runs[at + 4]!.data).toEqual(data);
      runs[at + 4]!.end();
    }
    await Promise.all(later);
  });

  it('run each by itself once outputs have shown to have other rows than inputs', async () => {
    const { runs, submit, began } = setUp();
    const total = { x: row(7) };
    const answers = [submit([0]), submit([1]), submit([2])];
    runs[0]!.end();
    await began(2);
    runs[1]!.end(total);
    for (const at of [2, 3]) {
      await began(at + 1);
      runs[at]!.end(total);
    }
    expect(await Promise.all(answers)).toEqual([[0], [7], [7]]);
    const later = [submit([3]), submit([4]), submit([5])];
    for (const at of [4, 5, 6]) {
      await began(at + 1);
      expect(runs[at]!.data).toHaveLength(1);
      runs[at]!.end();
    }
    await Promise.all(later);
  });

  it('leave out what nobody waits for any more, which keeps no place in the queue either', async () => {
    const { runs, submit, began } = setUp({ mostWaiting: 3 });
    let gone = false;
    const first = submit([0]);
    const abandoned = [1, 2, 3].map((value) => submit([value], 'm', anyRows, () => gone));
    const failures = Promise.allSettled(abandoned);
    gone = true;
    const last = submit([4]);
    runs[0]!.end();
    await began(2);
    expect(runs[1]!.data).toEqual([4]);
    runs[1]!.end();
    expect(await Promise.all([first, last])).toEqual([[0], [4]]);
    expect((await failures).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
  });

  it('tell when the last of a key is over', async () => {
    const { batches, runs, submit, began } = setUp();
    await batches.drained('a');
    const answers = [submit([1], 'a'), submit([2], 'a'), submit([3], 'b')];
    const seen: string[] = [];
    const drained = batches.drained('a').then(() => seen.push('drained'));
    void batches.drained('c').then(() => seen.push('never there'));
    for (const at of [0, 1]) {
      await began(at + 1);
      expect(seen).toEqual(['never there']);
      runs[at]!.end();
    }
    await drained;
    await began(3);
    runs[2]!.end();
    await Promise.all(answers);
  });

  it('leave nobody waiting when they are closed', async () => {
    const { batches, submit } = setUp();
    void submit([1]);
    const waiting = submit([2]);
    batches.close();
    await expect(waiting).rejects.toMatchObject({ code: 'unavailable' });
  });
});
