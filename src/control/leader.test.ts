import { describe, expect, it, onTestFinished } from 'vitest';
import { ManualClock } from '../../test/support/manual-clock.js';
import { Leader } from './leader.js';

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A controller over a lock that the test holds in its hand. */
function harness() {
  const clock = new ManualClock();
  let answer: () => boolean | Promise<boolean> = () => true;
  const done: string[] = [];
  const leader = new Leader({
    lock: {
      lead: async () => await answer(),
      resign: () => {
        done.push('resigned');
        return Promise.resolve();
      },
    },
    holder: 'here',
    clock,
    log: { info: () => undefined, warn: () => undefined },
    begin: () => {
      done.push('began');
      return {
        stop: () => {
          done.push('ended');
          return Promise.resolve();
        },
      };
    },
  });
  onTestFinished(() => leader.stop());
  return {
    leader,
    clock,
    done,
    lock: (next: typeof answer) => (answer = next),
    seconds: async (count: number) => {
      for (let half = 0; half < 2 * count; half++) {
        clock.advance(500);
        await settled();
      }
    },
    start: async () => {
      leader.start();
      await settled();
    },
  };
}

const away = () => Promise.reject(new Error('away'));

describe('a controller', () => {
  it('begins its duties once, as long as it holds the lock', async () => {
    const { start, seconds, done, leader } = harness();
    await start();
    await seconds(30);
    expect(done).toEqual(['began']);
    expect(leader.leads).toBe(true);
  });

  it('does nothing while another leads, and begins when that one has gone', async () => {
    const { start, seconds, done, lock } = harness();
    lock(() => false);
    await start();
    await seconds(10);
    expect(done).toEqual([]);
    lock(() => true);
    await seconds(2);
    expect(done).toEqual(['began']);
  });

  it('ends its duties at once where another has the lock, and begins them anew', async () => {
    const { start, seconds, done, lock } = harness();
    await start();
    lock(() => false);
    await seconds(2);
    expect(done).toEqual(['began', 'ended']);
    lock(() => true);
    await seconds(2);
    expect(done).toEqual(['began', 'ended', 'began']);
  });

  it('goes on through a short silence of the lock, and ends before the lock can be another’s', async () => {
    const { start, seconds, done, lock } = harness();
    await start();
    lock(away);
    await seconds(3);
    expect(done).toEqual(['began']);
    await seconds(2);
    expect(done).toEqual(['began', 'ended']);
    lock(() => true);
    await seconds(2);
    expect(done).toEqual(['began', 'ended', 'began']);
  });

  it('does not lead by an answer that came after the lock had run out', async () => {
    const { start, seconds, done, lock, leader } = harness();
    let give: (leads: boolean) => void = () => undefined;
    lock(() => new Promise((resolve) => (give = resolve)));
    await start();
    await seconds(6);
    give(true);
    await settled();
    expect(done).toEqual([]);
    lock(() => true);
    await seconds(2);
    expect(leader.leads).toBe(true);
  });

  it('ends its duties before it lets another lead', async () => {
    const { start, leader, done } = harness();
    await start();
    await leader.stop();
    expect(done).toEqual(['began', 'ended', 'resigned']);
  });

  it('is unhealthy where the lock gives no answer at all', async () => {
    const { start, seconds, lock, leader } = harness();
    let give: (leads: boolean) => void = () => undefined;
    lock(() => new Promise((resolve) => (give = resolve)));
    await start();
    await seconds(29);
    expect(leader.healthy).toBe(true);
    await seconds(2);
    expect(leader.healthy).toBe(false);
    give(false);
  });
});
