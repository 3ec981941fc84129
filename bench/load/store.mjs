/**
 * A store of jobs in a process of its own, used through the engine as the server uses it. Argument: its file.
 *
 * Takes `{ finish }` or `{ wait }`, so many jobs to bring into the store that have completed, or that wait; or
 * `{ count, pages }`: submits so many jobs, lists so many pages of each kind, claims as many jobs and completes them.
 * Answers with the latencies of each in ms.
 */
import { answerWith } from '../harness/answer.mjs';

const dist = new URL('../../dist/', import.meta.url);
const { openSqliteEngine } = await import(new URL('engine/sqlite/index.js', dist));
const { systemClock: clock } = await import(new URL('clock.js', dist));
const { defaultRetry } = await import(new URL('jobs/retry.js', dist));

const engine = await openSqliteEngine({ file: process.argv[2], clock });
const signal = new AbortController().signal;
const type = 'echo';
const input = { to: 'someone@example.org', order: 12_345 };

/** Callers that submit at once, each one job after the other. */
const callers = 64;
/** Jobs that are claimed at once, and those of a page. */
const claimed = 10;
const listed = 50;
/** What the store is filled with at once. */
const slice = 1_000;

const newJob = () => ({
  id: clock.id(),
  type,
  input: { inline: input },
  retry: defaultRetry,
  timeoutMs: 3_600_000,
  work: 1,
  priority: 'normal',
  labels: {},
  blobs: [],
});

const claim = (max) => engine.claim({ worker: 'bench', types: [type], max, leaseMs: 600_000, signal });

const complete = (leases) =>
  Promise.all(
    leases.map(({ job: { id }, token }) =>
      engine.complete({ id, token, result: { inline: input }, ranMs: 1 }),
    ),
  );

async function add(count) {
  for (let left = count; left > 0; left -= slice) {
    await engine.submit({ jobs: Array.from({ length: Math.min(slice, left) }, newJob) });
  }
}

async function work(count) {
  for (let left = count; left > 0;) {
    const leases = await claim(Math.min(slice, left));
    await complete(leases);
    left -= leases.length;
  }
}

async function timed(step) {
  const started = performance.now();
  const result = await step();
  return { result, ms: performance.now() - started };
}

async function measure({ count, pages }) {
  const submit = [];
  await Promise.all(
    Array.from({ length: callers }, async () => {
      for (let i = 0; i < count / callers; i++) {
        submit.push((await timed(() => engine.submit({ jobs: [newJob()] }))).ms);
      }
    }),
  );
  const list = [];
  for (const filter of [{}, { type }, { status: 'pending' }, { status: 'completed' }]) {
    for (let i = 0; i < pages; i++) {
      const { ms, result } = await timed(() => engine.list({ ...filter, limit: listed }));
      if (result.jobs.length !== listed) throw new Error(`a page of ${result.jobs.length} jobs`);
      list.push(ms);
    }
  }
  const claims = [];
  for (let left = submit.length; left > 0;) {
    const { ms, result: leases } = await timed(() => claim(Math.min(claimed, left)));
    claims.push(ms);
    await complete(leases);
    left -= leases.length;
  }
  return { submit, list, claim: claims };
}

answerWith(async (message) => {
  if (message.count !== undefined) return measure(message);
  await add(message.finish ?? message.wait);
  if (message.finish !== undefined) await work(message.finish);
  return {};
});
