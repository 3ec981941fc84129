import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../test/support/manual-clock.js';
import { PlanPublisher, type BeforeLower } from './plan-publisher.js';
import type { KnownPlan } from './planner.js';

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

function planOf(desired: number): KnownPlan {
  const snapshot = {
    ...{ arrivalRate: 0, serviceTime: 0, backlogJobs: 0, backlogSeconds: 0, oldestAge: 0 },
    ...{ busyWorkers: 0, currentWorkers: desired },
  };
  const policy = { slotsPerWorker: 1, utilisation: 1, drainTarget: 1, slo: 1, min: 0, max: 10 };
  return { kind: 'known', desired, need: desired, snapshot, policy };
}

/** A publisher whose register and hook write down what they are told. */
function harness(hook: BeforeLower = () => Promise.resolve()) {
  const told: string[] = [];
  const said: string[] = [];
  const clock = new ManualClock();
  let answer: () => Promise<void> = () => Promise.resolve();
  const publisher = new PlanPublisher({
    pool: 'gpu',
    pools: ['default', 'gpu'],
    clock,
    log: { info: (message) => void said.push(message), warn: (message) => void said.push(message) },
    beforeLower: async (pool, plan) => {
      told.push(`before ${pool} ${plan.desired}`);
      await hook(pool, plan);
    },
    register: {
      publishPlan: ({ pool, pools, plan }) => {
        expect(pools).toEqual(['default', 'gpu']);
        told.push(`${pool} ${plan.kind === 'known' ? plan.desired : 'unknown'}`);
        return answer();
      },
    },
  });
  const publish = async (...figures: readonly number[]): Promise<void> => {
    for (const figure of figures) await publisher.publish(planOf(figure)).catch(() => undefined);
  };
  return { publisher, publish, told, said, clock, register: (next: typeof answer) => (answer = next) };
}

describe('the publisher of plans', () => {
  it('tells the hook before a lower figure, and of no other', async () => {
    const { publish, told } = harness();
    await publish(2, 5, 5, 3, 3);
    expect(told.slice(2)).toEqual(['gpu 5', 'gpu 5', 'before gpu 3', 'gpu 3', 'gpu 3']);
  });

  it('tells it before the first figure, which may be below that of another leader', async () => {
    const { publish, told } = harness();
    await publish(2);
    expect(told).toEqual(['before gpu 2', 'gpu 2']);
  });

  it('goes on from the last known figure after one that was unknown', async () => {
    const { publisher, publish, told } = harness();
    await publish(5);
    publisher.publishUnknown('the store is away');
    await publish(4);
    expect(told.slice(2)).toEqual(['gpu unknown', 'before gpu 4', 'gpu 4']);
  });

  it('takes a higher figure for known where its answer was lost', async () => {
    const { publish, told, register } = harness();
    await publish(2);
    register(() => Promise.reject(new Error('away')));
    await publish(8);
    register(() => Promise.resolve());
    await publish(5);
    expect(told.slice(2)).toEqual(['gpu 8', 'before gpu 5', 'gpu 5']);
  });

  it('tells it again where a lower figure did not get through', async () => {
    const { publish, told, register } = harness();
    await publish(5);
    register(() => Promise.reject(new Error('away')));
    await publish(4, 4);
    expect(told.slice(2)).toEqual(['before gpu 4', 'gpu 4', 'before gpu 4', 'gpu 4']);
  });

  it('publishes all the same where the hook fails, and says so once', async () => {
    let fails = true;
    const { publish, told, said } = harness(() =>
      fails ? Promise.reject(new Error('no')) : Promise.resolve(),
    );
    await publish(5, 4, 3);
    expect(told.at(-1)).toBe('gpu 3');
    fails = false;
    await publish(2, 1);
    expect(said).toEqual([
      'a lower number of workers was made known, and what comes before that had failed',
      'what comes before a lower number of workers works again',
    ]);
  });

  it('waits a second for the hook and no longer', async () => {
    const { publish, told, clock } = harness(() => new Promise(() => undefined));
    const published = publish(5);
    await settled();
    clock.advance(999);
    await settled();
    expect(told).toEqual(['before gpu 5']);
    clock.advance(1);
    await published;
    expect(told).toEqual(['before gpu 5', 'gpu 5']);
    expect(clock.waiting).toBe(0);
  });

  it('says once that nothing is known, and once that it is again', async () => {
    const { publisher, publish, said } = harness();
    publisher.publishUnknown('away');
    publisher.publishUnknown('away');
    await publish(1, 2);
    expect(said).toEqual([
      'how many workers there should be is not known',
      'how many workers there should be is known again',
    ]);
  });
});
