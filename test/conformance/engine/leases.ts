import { describe, expect, test } from 'vitest';
import { limits } from '../../../src/jobs/limits.js';
import { defaultRetry } from '../../../src/jobs/retry.js';
import type { Lease, NewJob } from '../../../src/engine/engine.js';
import { Bench, boom, minute, type EngineFactory } from './setup.js';

export function leases(factory: EngineFactory): void {
  describe('leases', () => {
    const bench = new Bench(factory);

    test('refuses every write of an attempt that lost its lease to another', async () => {
      const old = await bench.lease({ leaseMs: minute });
      bench.clock.advance(minute);
      await bench.engine.maintain();
      const [current] = await bench.claim({ types: [old.job.type] });
      const before = await bench.job(old.job.id);

      const stale = { id: old.job.id, token: old.token };
      expect(await bench.engine.complete({ ...stale, result: { inline: 'late' } })).toBe('stale');
      expect(await bench.engine.fail({ ...stale, error: boom })).toBe('stale');
      expect(await bench.engine.fail({ ...stale, error: boom, retryInMs: 1 })).toBe('stale');
      expect(await bench.engine.release(stale)).toBe('stale');
      const beat = { leases: [{ ...stale, progress: { fraction: 0.5 } }], leaseMs: minute };
      expect(await bench.engine.heartbeat(beat)).toEqual(['stale']);
      expect(await bench.job(old.job.id)).toEqual(before);

      const own = { id: old.job.id, token: current!.token, result: { inline: 'in time' } };
      expect(await bench.engine.complete(own)).toBe('applied');
      expect(await bench.engine.complete({ ...own, result: { inline: 'twice' } })).toBe('stale');
      expect((await bench.job(old.job.id)).result).toEqual({ inline: 'in time' });
    });

    test('lets only one of two simultaneous completions through', async () => {
      const { job, token } = await bench.lease();
      const outcomes = await Promise.all(
        ['a', 'b'].map((inline) => bench.engine.complete({ id: job.id, token, result: { inline } })),
      );
      expect(outcomes.toSorted()).toEqual(['applied', 'stale']);
      const winner = outcomes[0] === 'applied' ? 'a' : 'b';
      expect((await bench.job(job.id)).result).toEqual({ inline: winner });
    });

    test('gives every lease a token of its own', async () => {
      const type = bench.newType();
      await bench.submitMany(20, { type });
      const first = await bench.claim({ types: [type], max: 20 });
      for (const { job, token } of first) await bench.engine.release({ id: job.id, token });
      const second = await bench.claim({ types: [type], max: 20 });
      expect(new Set([...first, ...second].map((lease) => lease.token)).size).toBe(40);
    });

    test('keeps a lease as long as it is renewed', async () => {
      const { job, token } = await bench.lease({ leaseMs: minute });
      for (let beat = 0; beat < 3; beat++) {
        bench.clock.advance(minute - 1);
        expect(await bench.engine.heartbeat({ leases: [{ id: job.id, token }], leaseMs: minute })).toEqual([
          'applied',
        ]);
        await bench.engine.maintain();
      }
      expect((await bench.job(job.id)).status).toBe('in-progress');
      bench.clock.advance(minute);
      await bench.engine.maintain();
      expect((await bench.job(job.id)).status).toBe('pending');
    });

    /** Two leases, of which the second waits for its turn at the worker. */
    const leaseAhead = async (given: Partial<NewJob> = {}): Promise<readonly [Lease, Lease]> => {
      const type = bench.newType();
      await bench.submitMany(2, { type, ...given });
      const [begun, waits] = await bench.claim({ types: [type], max: 2, ahead: 1, leaseMs: minute });
      return [begun!, waits!];
    };
    const runOut = async (): Promise<void> => {
      bench.clock.advance(minute);
      await bench.engine.maintain();
    };

    test('does not count an attempt whose lease ran out before it began', async () => {
      const [begun, waits] = await leaseAhead();
      expect(begun.job.startedAt).toBe(bench.clock.now());
      expect(waits.job).not.toHaveProperty('startedAt');
      await runOut();
      expect(await bench.job(begun.job.id)).toMatchObject({ status: 'pending', attempt: 1 });
      expect(await bench.job(waits.job.id)).toMatchObject({
        status: 'pending',
        attempt: 0,
        attempts: [{ attempt: 1, outcome: 'released' }],
      });
    });

    test('counts it once a heartbeat has said that it began', async () => {
      const { job, token } = (await leaseAhead())[1];
      bench.clock.advance(1_000);
      const startedAt = bench.clock.now();
      await bench.engine.heartbeat({ leases: [{ id: job.id, token, startedAt }], leaseMs: minute });
      bench.clock.advance(1_000);
      const later = { id: job.id, token, startedAt: bench.clock.now() };
      await bench.engine.heartbeat({ leases: [later], leaseMs: minute });
      expect(await bench.job(job.id)).toMatchObject({ startedAt });
      await runOut();
      expect(await bench.job(job.id)).toMatchObject({ status: 'pending', attempt: 1 });
    });

    test('takes its beginning from its end where nobody has told', async () => {
      const { job, token } = (await leaseAhead())[1];
      bench.clock.advance(10_000);
      await bench.engine.complete({ id: job.id, token, result: { inline: 1 }, ranMs: 300 });
      const startedAt = bench.clock.now() - 300;
      expect(await bench.job(job.id)).toMatchObject({ startedAt, attempts: [{ startedAt }] });
    });

    test('takes its beginning from its failure where nobody has told', async () => {
      const { job, token } = (await leaseAhead())[1];
      bench.clock.advance(10_000);
      const error = { code: 'task-failed', message: 'no', permanent: false };
      await bench.engine.fail({ id: job.id, token, error, ranMs: 300 });
      const startedAt = bench.clock.now() - 300;
      expect(await bench.job(job.id)).toMatchObject({ startedAt, attempts: [{ startedAt }] });
    });

    test('ends a job whose leases run out again and again before it begins', async () => {
      const { job } = (await leaseAhead({ retry: { ...defaultRetry, attempts: 1 } }))[1];
      for (let turn = 0; turn < limits.history; turn++) {
        await runOut();
        expect((await bench.job(job.id)).status).toBe('pending');
        await bench.claim({ types: [job.type], max: 1, ahead: 1, leaseMs: minute });
      }
      await runOut();
      expect(await bench.job(job.id)).toMatchObject({ status: 'failed', error: { code: 'lease-expired' } });
    });

    test('answers each heartbeat of a call by itself', async () => {
      const held = await bench.lease();
      const lost = await bench.lease();
      await bench.engine.cancel({ id: lost.job.id });
      const all = [held, lost].map(({ job, token }) => ({ id: job.id, token }));
      expect(
        await bench.engine.heartbeat({
          leases: [...all, { id: bench.clock.id(), token: 'none' }],
          leaseMs: minute,
        }),
      ).toEqual(['applied', 'stale', 'not-found']);
    });

    test('stores progress, keeps it where a heartbeat has none, and starts the next attempt without', async () => {
      const { job, token } = await bench.lease();
      const { id } = job;
      const progress = { fraction: 0.25, message: 'panel 1 of 4' };
      await bench.engine.heartbeat({ leases: [{ id, token, progress }], leaseMs: minute });
      await bench.engine.heartbeat({ leases: [{ id, token }], leaseMs: minute });
      expect((await bench.job(id)).progress).toEqual(progress);
      await bench.engine.release({ id, token });
      const [next] = await bench.claim({ types: [job.type] });
      expect(next!.job.progress).toBeUndefined();
      expect((await bench.job(id)).progress).toBeUndefined();
    });

    test('counts an expired attempt, and ends a job whose attempts are used up', async () => {
      const first = await bench.lease({ retry: { ...defaultRetry, attempts: 2 }, leaseMs: minute });
      const { id, type } = first.job;
      bench.clock.advance(minute);
      await bench.engine.maintain();
      expect(await bench.job(id)).toMatchObject({
        status: 'pending',
        attempt: 1,
        error: { code: 'lease-expired', permanent: false },
      });
      const [second] = await bench.claim({ types: [type] });
      expect(second!.job.attempt).toBe(2);
      bench.clock.advance(minute);
      await bench.engine.maintain();
      const dead = await bench.job(id);
      expect(dead).toMatchObject({ status: 'failed', attempt: 2, error: { code: 'lease-expired' } });
      expect(dead.finishedAt).toBe(bench.clock.now());
      expect(dead.attempts.map(({ attempt, outcome }) => [attempt, outcome])).toEqual([
        [1, 'expired'],
        [2, 'expired'],
      ]);
    });

    test('does not count an attempt that was handed back', async () => {
      const first = await bench.lease({ retry: { ...defaultRetry, attempts: 1 } });
      await bench.engine.release({ id: first.job.id, token: first.token });
      expect(await bench.job(first.job.id)).toMatchObject({ status: 'pending', attempt: 0 });
      const [again] = await bench.claim({ types: [first.job.type] });
      expect(again!.job.attempt).toBe(1);
      expect(again!.job.attempts).toMatchObject([{ attempt: 1, outcome: 'released', worker: 'worker-1' }]);
    });

    test('waits out the backoff of a failed attempt and says when the next one is due', async () => {
      const made = await factory(bench.clock); // an engine of its own: maintain answers for all jobs
      try {
        const job = bench.newJob();
        await made.engine.submit({ jobs: [job] });
        const signal = new AbortController().signal;
        const claim = { worker: 'w', types: [job.type], max: 1, leaseMs: minute, signal };
        const [lease] = await made.engine.claim(claim);
        expect(await made.engine.maintain()).toEqual({ released: 0, expired: 0 });
        await made.engine.fail({ id: job.id, token: lease!.token, error: boom, retryInMs: 1_000 });
        expect(await made.engine.get({ id: job.id })).toMatchObject({
          status: 'scheduled',
          runAt: bench.clock.now() + 1_000,
          error: boom,
        });
        bench.clock.advance(400);
        expect(await made.engine.maintain()).toEqual({ released: 0, expired: 0, nextDueInMs: 600 });
        bench.clock.advance(600);
        expect(await made.engine.maintain()).toEqual({ released: 1, expired: 0 });
        const due = await made.engine.get({ id: job.id });
        expect(due).toMatchObject({ status: 'pending', attempt: 1, error: boom });
        expect(due).not.toHaveProperty('runAt');
        await made.engine.claim(claim);
        bench.clock.advance(minute);
        expect(await made.engine.maintain()).toEqual({ released: 0, expired: 1 });
      } finally {
        await made.cleanup();
      }
    });

    test('grants a re-driven job as many attempts as a new one', async () => {
      const { job, token } = await bench.lease({ retry: { ...defaultRetry, attempts: 3 } });
      const { id } = job;
      await bench.engine.fail({ id, token, error: { ...boom, permanent: true } });
      expect((await bench.job(id)).error).toEqual({ ...boom, permanent: true });
      expect(await bench.engine.redrive({ id })).toBe('applied');
      const again = await bench.job(id);
      expect(again).toMatchObject({ status: 'pending', attempt: 1, maxAttempts: 4 });
      expect(again).not.toHaveProperty('error');
      expect(again).not.toHaveProperty('finishedAt');
    });

    test('keeps the latest attempts of a long history, oldest first', async () => {
      const { type, id } = await bench.submit();
      const rounds = limits.history + 3;
      for (let round = 1; round <= rounds; round++) {
        const [lease] = await bench.claim({ types: [type], worker: `worker-${round}` });
        await bench.engine.release({ id, token: lease!.token });
      }
      const { attempts } = await bench.job(id);
      expect(attempts.map((ended) => ended.worker)).toEqual(
        Array.from({ length: limits.history }, (_, index) => `worker-${rounds - limits.history + 1 + index}`),
      );
    });
  });
}
