import { describe, expect, test } from 'vitest';
import type { Outcome } from '../../../src/engine/engine.js';
import { events, statuses, transition, type Event } from '../../../src/jobs/life-cycle.js';
import { Bench, boom, minute, type EngineFactory } from './setup.js';

/** How each event comes about. An outcome is undefined where the operation has none to give. */
const operations: Record<
  Event,
  (bench: Bench, job: { id: string; token: string; type: string }) => Promise<Outcome | undefined>
> = {
  due: (bench) => timePasses(bench),
  expire: (bench) => timePasses(bench),
  exhaust: (bench) => timePasses(bench),
  claim: async (bench, { type }) => {
    await bench.claimNow({ types: [type] });
    return undefined;
  },
  complete: ({ engine }, { id, token }) => engine.complete({ id, token, result: { inline: 2 } }),
  retry: ({ engine }, { id, token }) => engine.fail({ id, token, error: boom, retryInMs: minute }),
  fail: ({ engine }, { id, token }) => engine.fail({ id, token, error: boom }),
  release: ({ engine }, { id, token }) => engine.release({ id, token }),
  cancel: ({ engine }, { id }) => engine.cancel({ id }),
  redrive: ({ engine }, { id }) => engine.redrive({ id }),
};

async function timePasses(bench: Bench): Promise<undefined> {
  bench.clock.advance(minute);
  await bench.engine.maintain();
}

export function lifeCycle(factory: EngineFactory): void {
  describe('life cycle', () => {
    const bench = new Bench(factory);

    describe.each(statuses)('%s', (status) => {
      test.each(events)('meets %s as the table says', async (event) => {
        // Only what the event is about may come to its end in the minute that passes.
        const soon = minute / 2;
        const never = 1_000 * minute;
        const attempt = await bench.driveTo(status, {
          attempts: event === 'exhaust' ? 1 : 3,
          leaseMs: event === 'expire' || event === 'exhaust' ? soon : never,
          retryInMs: event === 'due' ? soon : never,
        });
        const before = await bench.job(attempt.id);
        const outcome = await operations[event](bench, { ...attempt, type: before.type });
        const after = await bench.job(attempt.id);

        const row = transition(status, event);
        if (row) {
          expect(outcome ?? 'applied').toBe('applied');
          expect(after.status).toBe(row.to);
          expect(after.attempt).toBe(before.attempt + row.attempts);
          expect(after.version).toBe(before.version + 1);
        } else {
          expect(outcome ?? 'stale').toBe('stale');
          expect(after).toEqual(before);
        }
      });
    });

    test('says not-found of an unknown id', async () => {
      const { engine, clock } = bench;
      const attempt = { id: clock.id(), token: clock.token() };
      expect(await engine.complete({ ...attempt, result: { inline: 1 } })).toBe('not-found');
      expect(await engine.fail({ ...attempt, error: boom })).toBe('not-found');
      expect(await engine.release(attempt)).toBe('not-found');
      expect(await engine.heartbeat({ leases: [attempt], leaseMs: minute })).toEqual(['not-found']);
      expect(await engine.cancel({ id: attempt.id })).toBe('not-found');
      expect(await engine.redrive({ id: attempt.id })).toBe('not-found');
      expect(await engine.get({ id: attempt.id })).toBeUndefined();
    });
  });
}
