import { describe, expect, it, onTestFinished } from 'vitest';
import { ManualClock } from '../../test/support/manual-clock.js';
import { Announcer } from './announcer.js';

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

/** An announcer that has begun at 0, and the moments in ms at which it told something. */
async function harness() {
  const clock = new ManualClock();
  const told: number[] = [];
  const said: string[] = [];
  const workers = { busy: 0, stopping: false, info: () => [] };
  let answer = (): Promise<void> => Promise.resolve();
  const announcer = new Announcer({
    process: 'here',
    workers,
    clock,
    log: { info: (message) => void said.push(message), warn: (message) => void said.push(message) },
    register: {
      announce: () => {
        told.push(clock.monotonic());
        return answer();
      },
    },
  });
  onTestFinished(() => announcer.stop());
  announcer.start();
  await settled();
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 50) {
      clock.advance(50);
      await settled();
    }
  };
  return { told, said, workers, pass, register: (next: typeof answer) => (answer = next) };
}

describe('the announcer', () => {
  it('tells at once, and then every three seconds', async () => {
    const { told, pass } = await harness();
    await pass(7_000);
    expect(told).toEqual([0, 3_000, 6_000]);
  });

  it('tells within a quarter of a second that the process is idle no more, or again', async () => {
    const { told, workers, pass } = await harness();
    await pass(1_500);
    workers.busy = 2;
    await pass(1_250);
    workers.busy = 0;
    await pass(1_000);
    expect(told).toEqual([0, 1_750, 3_000]);
  });

  it('tells within a quarter of a second that the process stops, whatever it told just before', async () => {
    const { told, workers, pass } = await harness();
    await pass(3_100);
    workers.stopping = true;
    await pass(3_000);
    expect(told).toEqual([0, 3_000, 3_250]);
  });

  it('tells nothing at once of a process that is busy before and after', async () => {
    const { told, workers, pass } = await harness();
    workers.busy = 1;
    await pass(1_500);
    workers.busy = 3;
    await pass(2_000);
    expect(told).toEqual([0, 1_000]);
  });

  it('tells at most once a second, and then what is so by then', async () => {
    const { told, workers, pass } = await harness();
    for (let turn = 0; turn < 12; turn++) {
      workers.busy = 1 - workers.busy;
      await pass(250);
    }
    expect(told.every((at, index) => index === 0 || at - told[index - 1]! >= 1_000)).toBe(true);
    expect(told.length).toBeGreaterThanOrEqual(3);
  });

  it('goes on where the register is away, and says it once', async () => {
    const { told, said, pass, register } = await harness();
    register(() => Promise.reject(new Error('away')));
    await pass(6_000);
    register(() => Promise.resolve());
    await pass(6_000);
    expect(told).toEqual([0, 3_000, 6_000, 9_000, 12_000]);
    expect(said).toEqual(['the workers could not be announced', 'the workers are announced again']);
  });
});
