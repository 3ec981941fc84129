import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { priorities } from '../../jobs/priority.js';
import { Counters } from './counters.js';
import { openDatabase } from './database.js';
import type { Reply, Request, StoredJob } from './protocol.js';
import { prepareStatements, type Database, type Statements } from './statements.js';
import { createStore, runBatch, type Store } from './transaction.js';

const types = ['a', 'b'];

const newJob = (id: string, given: Partial<StoredJob> = {}): StoredJob => ({
  id,
  type: 'a',
  input: 'null',
  inputBlob: null,
  retry: '{"attempts":2,"baseMs":1,"factor":2,"capMs":1}',
  timeoutMs: 1,
  maxAttempts: 2,
  work: 3,
  priority: 1,
  key: null,
  places: null,
  labels: '{}',
  runAt: null,
  blobs: [],
  projection: null,
  ...given,
});
const submit = (...jobs: StoredJob[]): Request => ({ op: 'submit', params: { jobs, once: null } });
const claim = (max: number, token: string): Request => ({
  op: 'claim',
  params: { worker: 'w', types, max, ahead: 0, leaseMs: 10, token },
});
const complete = (id: string, token: string): Request => ({
  op: 'complete',
  params: { id, token, result: '1', resultBlob: null, peakMemory: null, ranMs: 5, blobs: [] },
});
const fail = (id: string, token: string, retryInMs: number | null): Request => ({
  op: 'fail',
  params: {
    id,
    token,
    error: '{"code":"x","message":"x","permanent":false}',
    retryInMs,
    peakMemory: null,
    ranMs: 0,
    blobs: [],
  },
});
/** Fails wherever it stands: a job of this id is there from the start. */
const bad = submit(newJob('there'));

describe('sqlite counters', () => {
  let folder: string;
  let db: Database;
  let sql: Statements;
  let store: Store;
  let now = 0;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'dray-counters-'));
    db = openDatabase(join(folder, 'jobs.db'));
    sql = prepareStatements(db);
    store = createStore(db, sql);
    now = 1_000;
    run(submit(newJob('there', { type: 'other' })));
  });

  afterEach(() => {
    db.close();
    rmSync(folder, { recursive: true });
  });

  const run = (...requests: Request[]): Reply => runBatch(store, { at: { now, monotonic: now }, requests });

  /** All but the totals, which begin anew with each opening, of the types of which there is something. */
  const counted = (counters: Counters) => ({
    types: counters
      .read()
      .map(({ type, jobs, held, paused, pendingWork, oldestPendingAt }) => {
        return { type, jobs, held, paused, pendingWork, oldestPendingAt };
      })
      .filter(({ jobs, paused }) => paused || Object.values(jobs).some((count) => count !== 0))
      .sort((a, b) => (a.type < b.type ? -1 : 1)),
    ready: types.map((type) => priorities.map((_, priority) => counters.ready(type, priority))),
    finished: counters.finished,
  });
  const totals = () => store.counters.read().find(({ type }) => type === 'a')?.totals;

  test('take back every step of a batch that fails, and count each request once that runs again alone', () => {
    const key = { key: 'k', places: 1 };
    run(submit(newJob('old', { priority: 0 }), newJob('k1', key), newJob('k2', key)), claim(1, 't'));
    const reply = run(
      submit(newJob('new', { type: 'b', runAt: now + 1 })),
      complete('old', 't-2'),
      { op: 'cancel', params: { id: 'k1' } },
      { op: 'pause', params: { type: 'b' } },
      bad,
    );
    expect(reply.answers.map(({ ok }) => ok)).toEqual([true, true, true, true, false]);
    expect(counted(store.counters)).toEqual(counted(new Counters(sql)));
    expect(totals()).toEqual({
      submitted: 3,
      attempts: { completed: 1, failed: 0, expired: 0, released: 0, cancelled: 0 },
      ranMs: 5,
      work: 3,
    });
  });

  test('count nothing of a submit that found no room', () => {
    db.exec(
      `PRAGMA max_page_count = ${(db.prepare('PRAGMA page_count').get() as { page_count: number }).page_count}`,
    );
    const before = counted(store.counters);
    const input = `"${'x'.repeat(1e6)}"`;
    expect(run(submit(newJob('small'), newJob('large', { input }))).answers).toMatchObject([
      { ok: false, error: { code: 'storage-full' } },
    ]);
    expect(counted(store.counters)).toEqual(before);
    expect(totals()).toBeUndefined();
  });

  test('take back a pause, and all else, where the commit fails', () => {
    db.exec(`PRAGMA foreign_keys = ON;
      CREATE TABLE parent (id INTEGER PRIMARY KEY);
      CREATE TABLE child (parent INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED);
      CREATE TRIGGER breaks_at_commit AFTER INSERT ON paused BEGIN INSERT INTO child VALUES (1); END`);
    run(submit(newJob('waiting')));
    const before = counted(store.counters);
    const [answer] = run({ op: 'pause', params: { type: 'a' } }).answers;
    expect(answer).toMatchObject({ ok: false, error: { code: 'internal' } });
    expect(counted(store.counters)).toEqual(before);
    expect(run(claim(1, 't')).answers).toMatchObject([{ ok: true, result: { length: 1 } }]);
  });

  test('are what the file says after any batches, whichever of their requests fail', () => {
    const index = fc.nat({ max: 9 });
    const job = fc.record({
      type: fc.constantFrom(...types),
      priority: fc.nat({ max: 2 }),
      key: fc.constantFrom(null, 'k', 'l'),
      delayed: fc.boolean(),
    });
    const request = fc.oneof(
      fc.record({ op: fc.constant('submit' as const), job }),
      fc.record({ op: fc.constant('claim' as const), max: fc.integer({ min: 1, max: 3 }) }),
      fc.record({ op: fc.constantFrom('complete' as const, 'fail' as const, 'retry' as const), index }),
      fc.record({ op: fc.constantFrom('release' as const, 'cancel' as const, 'redrive' as const), index }),
      fc.record({
        op: fc.constantFrom('pause' as const, 'resume' as const),
        type: fc.constantFrom(...types),
      }),
      fc.record({ op: fc.constantFrom('cancel all' as const, 'redrive all' as const, 'prune' as const) }),
      fc.record({ op: fc.constantFrom('maintain' as const, 'bad' as const) }),
    );
    let runs = 0;
    const property = fc.property(
      fc.array(fc.array(request, { maxLength: 6 }), { maxLength: 12 }),
      (batches) => {
        const prefix = `run-${runs++}`;
        let made = 0;
        let claims = 0;
        const leases = new Map<string, string>();
        const id = (at: number): string => `${prefix}-${at}`;
        const token = (at: number): string => leases.get(id(at)) ?? 'none';
        const filter = { status: null, type: 'a', label: null };
        for (const batch of batches) {
          now += 7;
          const requests = batch.map((given): Request => {
            switch (given.op) {
              case 'submit': {
                const { delayed, ...rest } = given.job;
                const places = rest.key === null ? null : 1;
                return submit(newJob(id(made++), { ...rest, places, runAt: delayed ? now + 10 : null }));
              }
              case 'claim':
                return claim(given.max, `${prefix}-${claims++}`);
              case 'complete':
                return complete(id(given.index), token(given.index));
              case 'fail':
              case 'retry':
                return fail(id(given.index), token(given.index), given.op === 'retry' ? 10 : null);
              case 'release':
                return { op: 'release', params: { id: id(given.index), token: token(given.index) } };
              case 'cancel':
              case 'redrive':
                return { op: given.op, params: { id: id(given.index) } };
              case 'pause':
              case 'resume':
                return { op: given.op, params: { type: given.type } };
              case 'cancel all':
                return { op: 'changeAll', params: { change: 'cancel', filter, limit: 3 } };
              case 'redrive all':
                return { op: 'changeAll', params: { change: 'redrive', filter, limit: 3 } };
              case 'prune':
                return { op: 'prune', params: { before: now - 20, keep: 10, limit: 3 } };
              case 'maintain':
                return { op: 'maintain', params: {} };
              case 'bad':
                return bad;
            }
          });
          const { answers } = run(...requests);
          answers.forEach((answer, at) => {
            expect(answer.ok).toBe(requests[at] !== bad);
            if (!answer.ok || requests[at]!.op !== 'claim') return;
            for (const record of answer.result as readonly string[]) {
              const lease = JSON.parse(record) as { id: string; token: string };
              leases.set(lease.id, lease.token);
            }
          });
          expect(counted(store.counters)).toEqual(counted(new Counters(sql)));
        }
      },
    );
    fc.assert(property, { numRuns: 100 });
  });
});
