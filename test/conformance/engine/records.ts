import { describe, expect, test } from 'vitest';
import { defaultRetry } from '../../../src/jobs/retry.js';
import { Bench, boom, minute, type EngineFactory } from './setup.js';

export function records(factory: EngineFactory): void {
  describe('records', () => {
    const bench = new Bench(factory);

    test('answers a submit with the job as it is stored', async () => {
      const retry = { attempts: 7, baseMs: 10, factor: 1.5, capMs: 100 };
      const given = bench.newJob({ retry, timeoutMs: 1_234 });
      const answer = await bench.engine.submit({ jobs: [given] });
      const [job] = answer.kind === 'stored' ? answer.jobs : [];
      expect(job).toEqual({
        ...given,
        work: undefined, // is for the counts
        blobs: undefined, // and these are for retention
        held: false,
        status: 'pending',
        version: 1,
        attempt: 0,
        maxAttempts: 7,
        createdAt: bench.clock.now(),
        attempts: [],
      });
      expect(await bench.job(given.id)).toEqual(job);
    });

    test('stores all jobs of a submit or none', async () => {
      const known = await bench.submit();
      const type = bench.newType();
      const jobs = [
        bench.newJob({ type }),
        { ...bench.newJob({ type }), id: known.id },
        bench.newJob({ type }),
      ];
      await expect(bench.engine.submit({ jobs })).rejects.toThrow();
      expect((await bench.engine.list({ type, limit: 10 })).jobs).toEqual([]);
      expect(await bench.job(known.id)).toEqual(known);
    });

    test.each([
      ['null', null],
      ['text of all planes', 'a\u0000b ü 漢 🎲 \u2028 "quoted" \\'],
      ['a lone surrogate', '\ud800'],
      ['nesting', { list: [1, [2, [3, { deep: true }]]], empty: {}, none: [] }],
      ['doubles', [0.1, 1e308, 5e-324, -1.5, 2 ** 53 + 2, 1e21, 2 ** 64]],
      ['keys that objects have already', JSON.parse('{"__proto__": 1, "constructor": 2}') as unknown],
    ])('gives back %s exactly', async (_, inline) => {
      const { job, token } = await bench.lease({ input: { inline } });
      await bench.engine.complete({ id: job.id, token, result: { inline } });
      const stored = await bench.job(job.id);
      expect(JSON.stringify(job.input)).toBe(JSON.stringify({ inline }));
      expect(JSON.stringify(stored.input)).toBe(JSON.stringify({ inline }));
      expect(JSON.stringify(stored.result)).toBe(JSON.stringify({ inline }));
    });

    test('gives back references to blobs', async () => {
      const input = { blob: bench.clock.id() };
      const result = { blob: bench.clock.id() };
      const { job, token } = await bench.lease({ input });
      expect(job.input).toEqual(input);
      await bench.engine.complete({ id: job.id, token, result });
      expect(await bench.job(job.id)).toMatchObject({ input, result });
    });

    test('clears the error of an earlier attempt on completion and keeps it in the history', async () => {
      const { job, token } = await bench.lease();
      const { id, type } = job;
      const startedAt = bench.clock.now();
      bench.clock.advance(10);
      await bench.engine.fail({ id, token, error: boom, retryInMs: 0, peakMemory: 1_000 });
      const failedAt = bench.clock.now();
      await bench.engine.maintain();
      const [second] = await bench.claim({ types: [type], worker: 'worker-2' });
      bench.clock.advance(20);
      await bench.engine.complete({
        id,
        token: second!.token,
        result: { inline: 'done' },
        peakMemory: 2_000,
      });
      const now = bench.clock.now();
      const done = await bench.job(id);
      expect(done).not.toHaveProperty('error');
      expect(done).toMatchObject({ status: 'completed', finishedAt: now, result: { inline: 'done' } });
      expect(done.attempts).toEqual([
        {
          attempt: 1,
          worker: 'worker-1',
          startedAt,
          endedAt: failedAt,
          outcome: 'failed',
          error: boom,
          peakMemory: 1_000,
        },
        {
          attempt: 2,
          worker: 'worker-2',
          startedAt: failedAt,
          endedAt: now,
          outcome: 'completed',
          peakMemory: 2_000,
        },
      ]);
    });

    test('gives back the details of an error, also in the history', async () => {
      const details = { reason: 'exited', nested: { list: [1, null, 'ü'] } };
      const { job, token } = await bench.lease();
      const error = { ...boom, permanent: true, details };
      expect(await bench.engine.fail({ id: job.id, token, error })).toBe('applied');
      expect(await bench.job(job.id)).toMatchObject({ error, attempts: [{ error }] });
    });

    test('notes the cancelled attempt, and none where nothing ran', async () => {
      const running = await bench.lease();
      const idle = await bench.submit();
      await bench.engine.cancel({ id: running.job.id });
      await bench.engine.cancel({ id: idle.id });
      expect((await bench.job(running.job.id)).attempts).toMatchObject([
        { attempt: 1, outcome: 'cancelled' },
      ]);
      expect(await bench.job(idle.id)).toMatchObject({ status: 'cancelled', attempts: [] });
    });

    test('rounds a fractional backoff up', async () => {
      const { job, token } = await bench.lease({ retry: defaultRetry });
      await bench.engine.fail({ id: job.id, token, error: boom, retryInMs: 0.25 });
      expect((await bench.job(job.id)).runAt).toBe(bench.clock.now() + 1);
    });
  });

  describe('end', () => {
    const bench = new Bench(factory);

    test('refuses calls after close, and claims that wait for it', async () => {
      const made = await factory(bench.clock);
      const signal = new AbortController().signal;
      const claim = { worker: 'w', types: ['none'], max: 1, leaseMs: minute, signal };
      const waiting = made.engine.claim(claim).then(
        () => 'resolved',
        (error: unknown) => (error as { code?: string }).code,
      );
      await made.engine.ping();
      await made.engine.close();
      expect(await waiting).toBe('unavailable');
      const unavailable = { code: 'unavailable' };
      await expect(made.engine.ping()).rejects.toMatchObject(unavailable);
      await expect(made.engine.submit({ jobs: [bench.newJob()] })).rejects.toMatchObject(unavailable);
      await expect(made.engine.claim(claim)).rejects.toMatchObject(unavailable);
      await made.engine.close(); // twice is harmless
      await made.cleanup();
    });

    test('answers the calls that were made before close, and keeps what it answered', async () => {
      const made = await factory(bench.clock);
      const job = bench.newJob();
      const submitted = made.engine.submit({ jobs: [job] });
      const closed = made.engine.close();
      const answer = await submitted;
      const [stored] = answer.kind === 'stored' ? answer.jobs : [];
      await closed;
      if (made.reopen) expect(await (await made.reopen()).get({ id: job.id })).toEqual(stored);
      await made.cleanup();
    });
  });
}
