import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../../test/support/manual-clock.js';
import { MemoryBlobs } from '../../testing/memory-blobs.js';
import { fractionsOf, taskContext } from '../../testing/task-context.js';
import { TaskRegistry } from '../registry.js';
import { createMatmul } from './index.js';
import type { MatmulInput } from './input.js';

const random = (rows: number, cols: number) => ({ random: { rows, cols, seed: 1 } });
const elements = (rows: number, cols: number) => ({
  blob: '01890000-0000-7000-8000-000000000009',
  offset: 0,
  rows,
  cols,
  dtype: 'float64' as const,
  order: 'C' as const,
});

const simulated = (simulateSeconds: number, clock = new ManualClock()) => ({
  task: createMatmul({ environment: {}, simulateSeconds, clock }),
  clock,
});

describe('a simulated product', () => {
  it('takes its time without reading a matrix, and says that nothing was computed', async () => {
    const { task, clock } = simulated(1.25);
    const blobs = new MemoryBlobs();
    const context = taskContext({ blobs });
    let ended = false;
    const run = Promise.resolve(task.run({ a: elements(3, 7), b: elements(7, 5) }, context));
    void run.then(() => (ended = true));
    for (const step of [500, 500, 249]) {
      clock.advance(step);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(ended).toBe(false);
    clock.advance(1);
    const output = await run;
    expect(output).toEqual({ simulated: true, rows: 3, cols: 5, seconds: { total: 1.25 } });
    expect(fractionsOf(context)).toEqual([0, 0.4, 0.8, 1]);
    expect(await blobs.list({ limit: 1 })).toEqual([]);
    expect(() => new TaskRegistry([task]).checkOutput('matmul', output)).not.toThrow();
  });

  it('can be fetched as JSON only: its output', async () => {
    const { task } = simulated(1);
    const output = { simulated: true as const, rows: 2, cols: 3, seconds: { total: 1 } };
    const [form, ...others] = task.represent!(output);
    expect(others).toEqual([]);
    expect(form).toMatchObject({ mediaType: 'application/json' });
    let text = '';
    for await (const chunk of form!.stream!(new MemoryBlobs())) text += String(chunk);
    expect(JSON.parse(text)).toEqual(output);
  });

  it('ends at once when the attempt is stopped', async () => {
    const { task } = simulated(3_600);
    const context = taskContext();
    const run = task.run({ a: [[1]], b: [[1]] }, context);
    context.controller.abort(new Error('cancelled'));
    await expect(run).rejects.toThrow('cancelled');
  });
});

describe('the work of a product', () => {
  it.each<[title: string, input: MatmulInput, work: number]>([
    ['of two small ones is what any takes', { a: [[1, 2]], b: [[3], [4]] }, 201],
    ['grows with its floating-point operations', { a: random(1000, 500), b: random(500, 2000) }, 2_200],
    [
      'is that of the elements where they lie in a blob',
      { a: elements(100, 100), b: elements(100, 100) },
      202,
    ],
    ['stays whole', { a: random(101, 103), b: random(103, 107) }, 203],
  ])('%s', (_title, input, work) => {
    expect(simulated(0).task.work!(input)).toBe(work);
  });

  it('is the same for each where it is simulated', () => {
    const { task } = simulated(1);
    expect(task.work!({ a: random(1000, 1000), b: random(1000, 1000) })).toBe(
      task.work!({ a: [[1]], b: [[1]] }),
    );
  });
});
