import { expect, it } from 'vitest';
import { ManualClock } from '../../test/support/manual-clock.js';
import type { Engine, Job } from '../engine/engine.js';
import { defaultRetry } from '../jobs/retry.js';
import { Attempt } from './attempt.js';
import { RunnerPool } from './runner-pool.js';
import type { RunObserver } from './runner.js';

const job: Job = {
  id: 'j',
  type: 'any',
  status: 'in-progress',
  version: 2,
  input: { inline: null },
  retry: defaultRetry,
  timeoutMs: 60_000,
  attempt: 1,
  maxAttempts: 5,
  priority: 'normal',
  held: false,
  labels: {},
  createdAt: 0,
  attempts: [],
};

it('an attempt that was leased ahead tells its beginning again where it could not be told', () => {
  const clock = new ManualClock();
  const startedAt = clock.now();
  let observer!: RunObserver;
  const pool = new RunnerPool({
    size: 1,
    cores: 1,
    create: () => ({
      usable: true,
      queues: true,
      view: undefined,
      run: (_, given) => new Promise(() => (observer = given)),
      setThreads: () => undefined,
      close: () => Promise.resolve(),
    }),
    onFreed: () => undefined,
  });
  pool.start();
  const log = { info: () => undefined, warn: () => undefined };
  const attempt = new Attempt({ lease: { job, token: 't' }, engine: {} as Engine, clock, log: () => log });
  void attempt.run(pool, () => undefined);
  expect(attempt.hasNews).toBe(false);
  observer.onStart();
  observer.onProgress({ fraction: 0.1 });
  const news = attempt.takeNews();
  expect(news).toEqual({ startedAt, progress: { fraction: 0.1 } });
  expect(attempt.hasNews).toBe(false);
  clock.advance(250);
  observer.onProgress({ fraction: 0.2 });
  attempt.returnNews(news);
  expect(attempt.takeNews()).toEqual({ startedAt, progress: { fraction: 0.2 } });
});
