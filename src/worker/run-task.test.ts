import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../test/support/manual-clock.js';
import { TaskRegistry } from '../tasks/registry.js';
import { PermanentError, type TaskContext } from '../tasks/task.js';
import { MemoryBlobs } from '../testing/memory-blobs.js';
import type { RunEnd, RunNews } from './protocol.js';
import { runTask } from './run-task.js';

interface Ran {
  readonly end: RunEnd;
  readonly news: readonly RunNews[];
  readonly blobs: MemoryBlobs;
}

/** @param run the body of a task that takes and gives anything. */
async function ran(run: (context: TaskContext, clock: ManualClock) => unknown): Promise<Ran> {
  const clock = new ManualClock();
  const blobs = new MemoryBlobs();
  const task = {
    type: 'any',
    input: {},
    output: {},
    run: (_: unknown, context: TaskContext) => run(context, clock),
  };
  const news: RunNews[] = [];
  const end = await runTask(
    { tasks: new TaskRegistry([task]), blobs, clock, memoryLimit: 1 },
    { jobId: 'x', type: 'any', input: { inline: null }, attempt: 1, threads: 1 },
    { signal: () => new AbortController().signal, threads: () => 1, say: (one) => void news.push(one) },
  );
  return { end, news, blobs };
}

describe('a run of a task', () => {
  it.each([
    ['an error', new Error('boom'), { code: 'task-failed', message: 'boom', permanent: false }],
    ['a text', 'boom', { code: 'task-failed', message: "'boom'", permanent: false }],
    ['nothing', undefined, { code: 'task-failed', message: 'undefined', permanent: false }],
    ['what has no text', Object.create(null), { code: 'task-failed', permanent: false }],
    [
      'an error whose message is no text',
      Object.assign(new Error(), { message: { a: 1 } }),
      { code: 'task-failed', permanent: false },
    ],
    [
      'what cannot be looked at',
      Object.defineProperty(new Error(), 'message', {
        get: () => {
          throw new TypeError('no');
        },
      }),
      { code: 'task-failed', permanent: false },
    ],
    [
      'a permanent error',
      new PermanentError('no', { code: 'c' }),
      { code: 'c', message: 'no', permanent: true },
    ],
    [
      'a code that is none',
      Object.assign(new PermanentError('no'), { code: 7 }),
      { code: '7', permanent: true },
    ],
  ])('that throws %s says so', async (_title, error: unknown, failure) => {
    const { end } = await ran(() => {
      throw error;
    });
    expect(end).toMatchObject({ kind: 'failed', failure });
  });

  it('that refuses may give details, whose blobs the job keeps', async () => {
    const blob = '0190a0a0-0000-7000-8000-000000000001';
    const details = { reason: 'exited', log: { blob }, at: undefined };
    const { end } = await ran(() => {
      throw new PermanentError('no', { details });
    });
    const failure = { code: 'task-refused', message: 'no', permanent: true };
    expect(end).toEqual({
      kind: 'failed',
      failure: { ...failure, details: { reason: 'exited', log: { blob } } },
      blobs: [blob],
    });
  });

  const loop: { self?: unknown } = {};
  loop.self = loop;
  it.each([
    ['too large', { text: 'é'.repeat(5_000) }, 'as JSON they have 10011 bytes, and 8192 are kept'],
    ['no object', ['a'], 'they are no JSON object'],
    ['a function', () => 1, 'they are no JSON object'],
    ['what holds itself', loop, 'circular'],
  ])('that gives details which are %s fails without them, and says so', async (_title, details, why) => {
    const { end } = await ran(() => {
      throw new PermanentError('no', { details: details as Record<string, unknown> });
    });
    expect(end).toMatchObject({ failure: { code: 'task-refused', permanent: true } });
    const { failure, blobs } = end as Extract<RunEnd, { kind: 'failed' }>;
    expect([failure.details, blobs]).toEqual([undefined, undefined]);
    expect(failure.message).toContain(`no (its details were left out: `);
    expect(failure.message).toContain(why);
  });

  it('fails for good where its output holds itself', async () => {
    const { end } = await ran(() => loop);
    expect(end).toMatchObject({ failure: { code: 'invalid-output', permanent: true } });
  });

  it('may log what JSON cannot say', async () => {
    const { end, news } = await ran(({ log }) => {
      log.info('counted', { count: 10n });
      return null;
    });
    expect(end).toMatchObject({ kind: 'done' });
    expect(JSON.parse(JSON.stringify(news))).toMatchObject([
      { kind: 'log', message: 'counted', details: { details: '{ count: 10n }' } },
    ]);
  });

  it('forgets the blobs that it left open', async () => {
    const { end, blobs } = await ran(async (context) => {
      const writer = await context.blobs.create({ mediaType: 'text/plain' });
      await writer.write(Buffer.from('half'));
    });
    expect(end).toMatchObject({ kind: 'done', result: { inline: null } });
    expect(blobs.open).toBe(0);
    expect(await blobs.list({ limit: 1 })).toEqual([]);
  });

  it('passes on what it prints, whatever that is, before its end', async () => {
    const { news } = await ran(({ output }) => {
      output('a line\n');
      output(7 as unknown as string);
      output('');
    });
    expect(news).toEqual([{ kind: 'output', text: 'a line\n7' }]);
  });

  it('passes progress on between 0 and 1, whatever it was', async () => {
    const { news } = await ran(({ progress }, clock) => {
      for (const fraction of [-1, NaN, 0.5, 7]) {
        clock.advance(100);
        progress(fraction);
      }
    });
    const fractions = news.map((one) => one.kind === 'progress' && one.progress.fraction);
    expect(fractions).toEqual([0, 0, 0.5, 1]);
  });
});
