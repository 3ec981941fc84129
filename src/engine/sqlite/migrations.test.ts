import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from '@photostructure/sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock as clock } from '../../clock.js';
import type { Engine, Job } from '../engine.js';
import { openSqliteEngine } from './index.js';
import { migrationFiles } from './schema.js';

const retry = { attempts: 5, baseMs: 1, factor: 2, capMs: 10 };
const boom = { code: 'task-failed', message: 'boom', permanent: false };
const ended = { worker: 'w', startedAt: 1_100, endedAt: 1_200 };

/** What a job of the first schema may hold, in each status. */
const rows: readonly Readonly<Record<string, string | number>>[] = [
  { id: 'waiting', status: 1, input: '{"n":1}' },
  { id: 'large', status: 1, input_blob: 'blob-1' },
  { id: 'delayed', status: 0, input: '1', attempt: 1, run_at: 9e12, error: JSON.stringify(boom) },
  {
    id: 'running',
    status: 2,
    input: '2',
    attempt: 1,
    worker: 'w',
    token: 't',
    lease_until: 5,
    started_at: 1_100,
  },
  { id: 'done', status: 3, input: '3', attempt: 1, finished_at: 1_200, result: '{"ok":true}', worker: 'w' },
  { id: 'done-large', status: 3, input: '4', attempt: 1, finished_at: 1_200, result_blob: 'blob-2' },
  {
    id: 'dead',
    status: 4,
    input: '5',
    attempt: 1,
    finished_at: 1_200,
    error: JSON.stringify(boom),
    history: JSON.stringify([{ attempt: 1, ...ended, outcome: 'failed', error: boom }]),
  },
  { id: 'cancelled', status: 5, input: '6', finished_at: 1_300 },
];

const blobs = ['0190a0a0-0000-7000-8000-000000000001', '0190a0a0-0000-7000-8000-000000000002'] as const;

describe('sqlite migrations', () => {
  let folder: string;
  let engine: Engine | undefined;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'dray-migrations-'));
  });

  afterEach(async () => {
    await engine?.close();
    engine = undefined;
    rmSync(folder, { recursive: true });
  });

  /** A file as the code of that schema left it. */
  const fileOf = (version: number): string => {
    const file = join(folder, `schema-${version}.db`);
    const db = new DatabaseSync(file);
    db.exec('PRAGMA journal_mode = WAL');
    for (const name of migrationFiles().slice(0, version)) {
      db.exec(readFileSync(new URL(`./sql/migrations/${name}`, import.meta.url), 'utf8'));
    }
    for (const row of rows) {
      const all = {
        type: 'echo',
        version: 4,
        retry: JSON.stringify(retry),
        timeout_ms: 1_000,
        attempt: 0,
        max_attempts: 5,
        created_at: 1_000,
        history: '[]',
        ...row,
      };
      // Written out: a prepared statement would hold on to the file until it is collected.
      const values = Object.values(all).map((value) => (typeof value === 'string' ? `'${value}'` : value));
      db.exec(`INSERT INTO jobs (${Object.keys(all).join(', ')}) VALUES (${values.join(', ')})`);
    }
    db.exec(`INSERT INTO completions (job, attempt, token, at) VALUES ('done', 1, 't0', 1200);
      PRAGMA user_version = ${version}`);
    db.close();
    return file;
  };
  const earlier = migrationFiles().map((_, index) => index + 1);

  test.each(earlier)(
    'keep every job of a file of schema %i, with all that its record says',
    async (version) => {
      engine = await openSqliteEngine({ file: fileOf(version), clock });
      const common = {
        type: 'echo',
        version: 4,
        retry,
        timeoutMs: 1_000,
        attempt: 0,
        maxAttempts: 5,
        priority: 'normal',
        held: false,
        labels: {},
        createdAt: 1_000,
        attempts: [],
      } as const;
      const expected: readonly Job[] = [
        { ...common, id: 'waiting', status: 'pending', input: { inline: { n: 1 } } },
        { ...common, id: 'large', status: 'pending', input: { blob: 'blob-1' } },
        {
          ...common,
          id: 'delayed',
          status: 'scheduled',
          input: { inline: 1 },
          attempt: 1,
          runAt: 9e12,
          error: boom,
        },
        {
          ...common,
          id: 'done',
          status: 'completed',
          input: { inline: 3 },
          attempt: 1,
          finishedAt: 1_200,
          worker: 'w',
          result: { inline: { ok: true } },
        },
        {
          ...common,
          id: 'done-large',
          status: 'completed',
          input: { inline: 4 },
          attempt: 1,
          finishedAt: 1_200,
          result: { blob: 'blob-2' },
        },
        {
          ...common,
          id: 'dead',
          status: 'failed',
          input: { inline: 5 },
          attempt: 1,
          finishedAt: 1_200,
          error: boom,
          attempts: [{ attempt: 1, ...ended, outcome: 'failed', error: boom }],
        },
        { ...common, id: 'cancelled', status: 'cancelled', input: { inline: 6 }, finishedAt: 1_300 },
      ];
      for (const job of expected) expect(await engine.get({ id: job.id })).toEqual(job);
      // Its worker died with the process that had the file.
      expect(await engine.get({ id: 'running' })).toMatchObject({
        status: 'pending',
        attempt: 1,
        attempts: [{ attempt: 1, outcome: 'expired', startedAt: 1_100 }],
      });
      const { jobs } = await engine.list({ limit: 100 });
      expect(jobs.map(({ id }) => id)).toEqual(rows.map(({ id }) => id).reverse());
    },
  );

  test.each(earlier)('leave a file of schema %i as good as a new one', async (version) => {
    engine = await openSqliteEngine({ file: fileOf(version), clock });
    const [counts] = await engine.counts();
    expect(counts).toMatchObject({
      jobs: { scheduled: 1, pending: 3, 'in-progress': 0, completed: 2, failed: 1, cancelled: 1 },
      held: 0,
      paused: false,
      pendingWork: 3,
    });
    expect(await engine.standing({ id: 'running' })).toMatchObject({ ahead: 2, paused: false });
    const signal = new AbortController().signal;
    const claim = { worker: 'w', types: ['echo'], max: 10, leaseMs: 60_000, signal };
    const leases = await engine.claim(claim);
    expect(leases.map(({ job }) => job.id)).toEqual(['waiting', 'large', 'running']);
    const { token } = leases[0]!;
    expect(await engine.complete({ id: 'waiting', token, result: { inline: 1 } })).toBe('applied');
    expect(await engine.redrive({ id: 'dead' })).toBe('applied');
    expect((await engine.claim(claim)).map(({ job }) => [job.id, job.attempt])).toEqual([['dead', 2]]);
    const pruned = await engine.prune({ before: 1_250, keep: 100, limit: 10 });
    const unused = version < 3 ? ['blob-2'] : []; // of a later schema the rows above have noted no uses
    expect(pruned).toEqual({ removed: 2, blobs: unused, more: false });
    expect(await engine.get({ id: 'done' })).toBeUndefined();
    expect(await engine.get({ id: 'cancelled' })).toBeDefined();
  });

  test('keep the blobs of every job that is older than the note of uses', async () => {
    const file = fileOf(2);
    const db = new DatabaseSync(file);
    db.exec(`UPDATE jobs SET input = '{"a":{"blob":"${blobs[0]}"}}' WHERE id = 'waiting';
      UPDATE jobs SET result = '{"c":[{"blob":"${blobs[1]}"}]}' WHERE id = 'done'`);
    db.close();
    engine = await openSqliteEngine({ file, clock });
    const all = ['blob-1', 'blob-2', 'other', ...blobs];
    expect(await engine.unusedBlobs({ blobs: all })).toEqual(['other']);
    const pruned = await engine.prune({ before: 1_250, keep: 100, limit: 10 });
    expect(pruned.blobs.toSorted()).toEqual([blobs[1], 'blob-2']);
    expect(await engine.unusedBlobs({ blobs: ['blob-1', blobs[0]] })).toEqual([]);
  });

  test('keep the completions that an earlier schema noted', async () => {
    const file = fileOf(1);
    await (await openSqliteEngine({ file, clock })).close();
    const db = new DatabaseSync(file);
    expect(db.prepare('SELECT job, attempt, token, at FROM completions').all()).toEqual([
      { job: 'done', attempt: 1, token: 't0', at: 1_200 },
    ]);
    db.close();
  });
});
