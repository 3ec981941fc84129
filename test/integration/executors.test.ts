/** The worker against executors that do not behave, in this process, with the real engine. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../src/clock.js';
import type { Engine, NewJob } from '../../src/engine/engine.js';
import { openSqliteEngine } from '../../src/engine/sqlite/index.js';
import { leases } from '../../src/jobs/limits.js';
import { Executor } from '../../src/worker/executor.js';
import { Worker, type EndedRun } from '../../src/worker/worker.js';
import { Stop } from '../../src/worker/runner.js';
import { eventually } from '../support/eventually.js';
import { ManualClock } from '../support/manual-clock.js';

let folder: string;
let engine: Engine;
let worker: Worker;
const gone: string[] = [];
const runs: EndedRun[] = [];
const log = { info: () => undefined, warn: () => undefined };

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'dray-executors-'));
  engine = await openSqliteEngine({ file: join(folder, 'jobs.sqlite'), clock: systemClock });
});
afterEach(async () => {
  await (worker as Worker | undefined)?.stop({ graceMs: 0 });
  await engine.close();
  rmSync(folder, { recursive: true });
});

/** @param program what the child process runs. */
function startWorker(program: string, options: { slots?: number; leaseMs?: number } = {}): void {
  const script = join(folder, 'executor.mjs');
  writeFileSync(script, program);
  worker = new Worker({
    engine,
    clock: systemClock,
    log,
    jobLog: () => log,
    onRun: (run) => void runs.push(run),
    options: {
      id: 'test',
      types: ['any'],
      slots: options.slots ?? 1,
      cores: 2,
      leaseMs: options.leaseMs ?? 10_000,
      heartbeatMs: 500,
      drainGraceMs: 1_000,
      createRunner: () =>
        new Executor({
          script: pathToFileURL(script),
          args: (name) => [name],
          onGone: (name) => void gone.push(name),
          memoryLimit: 2 ** 30,
          graceMs: 50,
          clock: systemClock,
        }),
    },
  });
  worker.start();
}

const plain = { priority: 'normal', labels: {}, blobs: [] } as const;

async function submit(rest: Partial<NewJob> = {}): Promise<string> {
  const id = systemClock.id();
  const retry = { attempts: 5, baseMs: 0, factor: 1, capMs: 0 };
  await engine.submit({
    jobs: [
      { id, type: 'any', input: { inline: null }, retry, timeoutMs: 60_000, work: 1, ...plain, ...rest },
    ],
  });
  return id;
}

const answering = (answer: string): string => `
  process.send({ kind: 'ready' });
  process.on('message', ({ kind, runs }) => {
    if (kind !== 'run') return;
    for (const message of runs) {
      const report = (content) => process.send({ ms: 1, ...content, run: message.run });
      ${answer}
    }
  });`;

/** Ends each job once the file of its name is there. */
const held = (): string =>
  `import { existsSync } from 'node:fs';` +
  answering(`
    const timer = setInterval(() => {
      if (!existsSync(${JSON.stringify(folder)} + '/' + message.jobId)) return;
      clearInterval(timer);
      report({ kind: 'done', result: { inline: 1 } });
    }, 5);`);
const letGo = (id: string): void => writeFileSync(join(folder, id), '');
/** As `held`, but a job whose input is "quick" ends at once: where most do, others are leased ahead. */
const heldUnlessQuick = (): string =>
  held().replace(
    'const timer',
    `if (message.input.inline === 'quick') { report({ kind: 'done', result: { inline: 1 } }); continue; }
    const timer`,
  );
const completed = (id: string) =>
  eventually(
    () => engine.get({ id }),
    (job) => job!.status === 'completed',
  );
async function runQuickOnes(): Promise<void> {
  for (let count = 0; count < 30; count++) await completed(await submit({ input: { inline: 'quick' } }));
}
const inProgress = async (): Promise<string[]> =>
  (await engine.list({ status: 'in-progress', limit: 10 })).jobs.map(({ id }) => id).sort();
const executorPids = (): number[] => worker.info().executors.map(({ pid }) => pid);

describe('the number of executors', () => {
  it('grows while a claim waits, and the new ones take jobs at once', async () => {
    startWorker(held());
    const ids = [await submit(), await submit(), await submit()];
    await eventually(inProgress, (running) => running.length === 1);
    worker.resize(3);
    await eventually(inProgress, (running) => running.length === 3);
    expect(worker.info()).toMatchObject({ slots: 3, busy: 3 });
    ids.forEach(letGo);
    for (const id of ids) {
      await eventually(
        () => engine.get({ id }),
        (job) => job!.status === 'completed',
      );
    }
  });

  it('shrinks by idle executors first, and never by a busy one', async () => {
    startWorker(held(), { slots: 4 });
    const ids = [await submit(), await submit()];
    await eventually(inProgress, (running) => running.length === 2);
    const busy = worker.info().executors.filter(({ job }) => job !== undefined);
    worker.resize(1);
    expect(executorPids().sort()).toEqual(busy.map(({ pid }) => pid).sort());
    const waiting = await submit();
    letGo(ids[0]!);
    await eventually(
      () => Promise.resolve(executorPids()),
      (pids) => pids.length === 1,
    );
    expect(await engine.get({ id: waiting })).toMatchObject({ status: 'pending', attempt: 0 });
    letGo(ids[1]!);
    letGo(waiting);
    for (const id of [...ids, waiting]) {
      await eventually(
        () => engine.get({ id }),
        (job) => job!.status === 'completed',
      );
      expect(await engine.get({ id })).toMatchObject({ attempt: 1, attempts: [{ outcome: 'completed' }] });
    }
    expect(executorPids()).toHaveLength(1);
  });

  it('may be none, until there is work', async () => {
    startWorker(held(), { slots: 1 });
    worker.resize(0);
    const id = await submit();
    letGo(id);
    await engine.ping();
    expect(executorPids()).toEqual([]);
    expect(await engine.get({ id })).toMatchObject({ status: 'pending' });
    worker.resize(1);
    await eventually(
      () => engine.get({ id }),
      (job) => job!.status === 'completed',
    );
  });

  it('comes with word of each run, with its outcome and its time', async () => {
    runs.length = 0;
    startWorker(answering(`report({ kind: 'done', result: { inline: 1 } });`));
    const id = await submit();
    await eventually(
      () => engine.get({ id }),
      (job) => job!.status === 'completed',
    );
    await eventually(
      () => Promise.resolve(runs),
      (told) => told.length === 1,
    );
    expect(runs[0]).toMatchObject({ type: 'any', outcome: 'completed' });
    const [counts] = await engine.counts();
    expect(counts!.totals.ranMs / 1000).toBeCloseTo(runs[0]!.seconds, 6);
  });
});

describe('executors', () => {
  it('that cannot start cost no attempt, and the worker says that it is not well', async () => {
    startWorker('process.exit(1)');
    const id = await submit();
    await eventually(
      () => engine.get({ id }),
      (job) => job!.attempts.some(({ outcome }) => outcome === 'released'),
    );
    expect(await engine.get({ id })).toMatchObject({
      status: expect.stringMatching(/pending|in-progress/) as unknown,
    });
    await eventually(
      () => worker.healthy,
      (healthy) => !healthy,
    );
    expect((await engine.get({ id }))!.attempts.every(({ outcome }) => outcome === 'released')).toBe(true);
  });

  it('are told apart by run: what one says after its end is not taken for the next job', async () => {
    startWorker(
      answering(`
        report({ kind: 'done', result: { inline: message.jobId } });
        report({ kind: 'done', result: { inline: 'late' } });`),
    );
    const ids = [await submit(), await submit(), await submit()];
    for (const id of ids) {
      await eventually(
        () => engine.get({ id }),
        (job) => job!.status === 'completed',
      );
      expect(await engine.get({ id })).toMatchObject({ result: { inline: id } });
    }
  });

  it('never number more than the slots while jobs fail and come back at once', async () => {
    startWorker(
      answering(`report({ kind: 'failed', failure: { code: 'x', message: 'x', permanent: false } });`),
      {
        slots: 4,
      },
    );
    const reconciling = systemClock.every(1, () => void engine.maintain());
    const retry = { attempts: 50, baseMs: 0, factor: 1, capMs: 0 };
    const ids = await Promise.all(Array.from({ length: 20 }, () => submit({ retry })));
    let most = 0;
    for (const id of ids) {
      await eventually(
        () => {
          most = Math.max(most, worker.info().executors.length);
          return engine.get({ id });
        },
        (job) => job!.status === 'failed',
      );
    }
    reconciling();
    expect(most).toBe(4);
  });

  it('stop an attempt whose lease is lost, and its late result is not published', async () => {
    startWorker(
      answering(`
        if (message.attempt === 1) process.on('message', (next) => {
          if (next.kind === 'stop') report({ kind: 'done', result: { inline: 'late' } });
        });
        else report({ kind: 'done', result: { inline: 'second' } });`),
      { slots: 2, leaseMs: 50 },
    );
    const id = await submit();
    await eventually(
      () => worker.info().executors.find(({ job }) => job === id),
      (executor) => executor !== undefined,
    );
    const first = worker.info().executors.find(({ job }) => job === id)!.pid;
    await eventually(
      () => engine.maintain(),
      ({ expired }) => expired === 1,
    );
    await eventually(
      () => engine.get({ id }),
      (job) => job!.status === 'completed',
    );
    // The first one is told at its next heartbeat; a process that was told to stop a job takes no other.
    await eventually(
      () => worker.info().executors.every(({ pid }) => pid !== first),
      (replaced) => replaced,
    );
    const job = (await engine.get({ id }))!;
    expect(job).toMatchObject({ attempt: 2, result: { inline: 'second' } });
    expect(job.attempts.map(({ outcome }) => outcome)).toEqual(['expired', 'completed']);
  });

  it('that were killed get no job while they die', async () => {
    startWorker(answering(`report({ kind: 'done', result: { inline: 1 } });`), { slots: 2 });
    gone.length = 0;
    const first = await submit();
    await eventually(
      () => engine.get({ id: first }),
      (job) => job!.status === 'completed',
    );
    for (const { pid } of worker.info().executors) process.kill(pid, 'SIGKILL');
    await eventually(
      () => gone.length,
      (count) => count >= 2,
    );
    const ids = await Promise.all(Array.from({ length: 5 }, () => submit()));
    for (const id of ids) {
      await eventually(
        () => engine.get({ id }),
        (job) => job!.status === 'completed',
      );
      expect((await engine.get({ id }))!.attempt).toBe(1);
    }
  });

  it('that die take only the attempt with them whose turn it was: those that waited behind it go back uncounted', async () => {
    startWorker(heldUnlessQuick());
    await runQuickOnes();
    const [first, ...behind] = [await submit(), await submit(), await submit()];
    await eventually(inProgress, ({ length }) => length === 3);
    process.kill(executorPids()[0]!, 'SIGKILL');
    await eventually(
      () => engine.get({ id: first }),
      (job) => job!.status === 'scheduled',
    );
    expect(await engine.get({ id: first })).toMatchObject({
      attempt: 1,
      attempts: [{ outcome: 'failed', error: { code: 'executor-crashed' } }],
    });
    for (const id of behind) {
      letGo(id);
      const job = await completed(id);
      expect(job).toMatchObject({ attempt: 1 });
      expect(job!.attempts.slice(0, -1).every(({ outcome }) => outcome === 'released')).toBe(true);
    }
  });

  it('that cannot start any more are noticed although jobs wait in them', async () => {
    startWorker(heldUnlessQuick());
    await runQuickOnes();
    writeFileSync(join(folder, 'executor.mjs'), 'process.exit(1)');
    for (const pid of executorPids()) process.kill(pid, 'SIGKILL');
    await Promise.all(Array.from({ length: 5 }, () => submit()));
    await eventually(
      () => worker.healthy,
      (healthy) => !healthy,
    );
  });

  it('share the cores: the one that got its job first is told of the second', async () => {
    startWorker(
      `let threads;
      process.on('message', (message) => {
        if (message.kind !== 'stop') threads = message.threads ?? message.runs.at(-1).threads;
      });` +
        answering(`setInterval(() =>
          report({ kind: 'progress', progress: { fraction: 0, message: String(threads) } }), 5);`),
      { slots: 2 },
    );
    const ids = [systemClock.id(), systemClock.id()];
    const retry = { attempts: 1, baseMs: 0, factor: 1, capMs: 0 };
    const job = { type: 'any', input: { inline: null }, retry, timeoutMs: 60_000, work: 1, ...plain };
    await engine.submit({ jobs: ids.map((id) => ({ id, ...job })) }); // together: one claim gets both
    for (const id of ids) {
      await eventually(
        () => engine.get({ id }),
        (job) => job!.progress?.message === '1',
      );
    }
  });

  it('may say what is no word of the worker’s own', async () => {
    startWorker(
      answering(`
        for (const odd of [null, 0, 'ready', {}, { kind: 'done', run: -1 }]) process.send(odd);
        report({ kind: 'done', result: { inline: 1 } });`),
    );
    await completed(await submit());
  });
});

it('an executor has its grace from the moment when it is told to stop its job, and is killed at the end of it', async () => {
  const script = join(folder, 'executor.mjs');
  writeFileSync(
    script,
    `process.on('message', ({ kind, runs, reason }) => {
      if (kind === 'run') process.send({ kind: 'progress', progress: { fraction: 0 }, run: runs[0].run });
      if (kind === 'stop') setInterval(() => process.send({
        kind: 'progress', progress: { fraction: 1, message: reason }, run: 1 }), 5);
    });
    process.send({ kind: 'ready' });`,
  );
  const clock = new ManualClock();
  const executor = new Executor({
    script: pathToFileURL(script),
    args: () => [],
    onGone: () => undefined,
    memoryLimit: 2 ** 30,
    graceMs: leases.cancelGrace,
    clock,
  });
  onTestFinished(() => executor.close());
  const stop = new Stop();
  const said: (string | undefined)[] = [];
  const sayings = (count: number) =>
    eventually(
      () => said.length,
      (length) => length >= count,
    );
  const outcome = executor.run(
    { jobId: 'j', type: 'any', input: { inline: null }, attempt: 1, threads: 1 },
    {
      stop,
      onStart: () => undefined,
      onProgress: ({ message }) => void said.push(message),
      onOutput: () => undefined,
      log: () => log,
    },
  );
  await sayings(1);
  stop.stop('cancelled');
  await sayings(2);
  expect(said[1]).toBe('cancelled');
  expect(executor.usable).toBe(false);
  clock.advance(leases.cancelGrace - 1);
  await sayings(said.length + 20); // it lives
  clock.advance(1);
  const message = expect.stringContaining('SIGKILL') as string;
  expect(await outcome).toMatchObject({ kind: 'failed', failure: { code: 'executor-crashed', message } });
});
