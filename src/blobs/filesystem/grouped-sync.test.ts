import { expect, test } from 'vitest';
import { GroupedSync } from './grouped-sync.js';

/** A run that ends when the test says so. */
function controlled() {
  const runs: ControlledRun[] = [];
  const sync = new GroupedSync(() => {
    const run = controlledRun();
    runs.push(run);
    return run.promise;
  });
  return { runs, sync };
}

interface ControlledRun {
  promise: Promise<void>;
  resolve: () => void;
  reject: (reason: Error) => void;
}

function controlledRun(): ControlledRun {
  let resolve!: () => void;
  let reject!: (reason: Error) => void;
  const promise = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

test('shares the next run among all who ask while one is in flight', async () => {
  const { runs, sync } = controlled();
  const first = sync.sync();
  const late = [sync.sync(), sync.sync(), sync.sync()];
  expect(runs).toHaveLength(1);
  runs[0]!.resolve();
  await first;
  expect(runs).toHaveLength(2);
  const afterThem = sync.sync();
  runs[1]!.resolve();
  await Promise.all(late);
  expect(runs).toHaveLength(3);
  runs[2]!.resolve();
  await afterThem;
});

test('starts at once when nothing is in flight', async () => {
  const { runs, sync } = controlled();
  for (let turn = 1; turn <= 3; turn += 1) {
    const asked = sync.sync();
    expect(runs).toHaveLength(turn);
    runs.at(-1)!.resolve();
    await asked;
  }
});

test('fails only those whom the failed run covered', async () => {
  const { runs, sync } = controlled();
  const first = sync.sync();
  const second = sync.sync();
  runs[0]!.reject(new Error('lost'));
  await expect(first).rejects.toThrow('lost');
  expect(runs).toHaveLength(2);
  runs[1]!.resolve();
  await second;
});
