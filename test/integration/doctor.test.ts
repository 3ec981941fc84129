/** `dray doctor --invariants` finds what is wrong with a data folder, and nothing where all is well. */
import { DatabaseSync } from '@photostructure/sqlite';
import { spawnSync } from 'node:child_process';
import { cp, mkdtemp, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openFilesystemBlobs } from '../../src/blobs/filesystem.js';
import { systemClock } from '../../src/clock.js';
import type { InvariantReport } from '../../src/jobs/invariants.js';
import { act, ended, read, submit } from '../support/api.js';
import { eventually } from '../support/eventually.js';
import { main, startServer } from '../support/server.js';

const retry = { attempts: 3, baseMs: 1, capMs: 5 };
const large = 'x'.repeat(100_000);

let folder: string;
/** What a server left that had all kinds of jobs, one of them running, and was killed. */
let whole: string;
const ids: Record<string, string> = {};

function examine(data: string, ...flags: string[]): { code: number | null; out: string; err: string } {
  const args = [main, 'doctor', '--invariants', '--data', data, ...flags];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  return { code: status, out: stdout, err: stderr };
}

function report(data: string): InvariantReport {
  return JSON.parse(examine(data, '--json').out) as InvariantReport;
}

/** A copy of the folder in which `sql` has been run behind the engine's back. */
async function spoilt(sql: string): Promise<string> {
  const copy = await mkdtemp(join(folder, 'copy-'));
  await cp(whole, copy, { recursive: true });
  const db = new DatabaseSync(join(copy, 'jobs.sqlite'));
  db.function('with_attempt', () => '[]');
  db.exec(sql);
  db.close();
  return copy;
}

describe('the invariants', () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'dray-doctor-'));
    whole = join(folder, 'whole');
    const server = await startServer({ data: whole, args: ['--max-executors', '1'] });
    const { url } = server;
    const submitted = async (name: string, type: string, input: object, rest: object = {}) =>
      (ids[name] = (await submit(url, type, input, { retry, ...rest })).id);
    await ended(url, await submitted('small', 'echo', { a: 1 }));
    await ended(url, await submitted('large', 'echo', { large }));
    await ended(url, await submitted('retried', 'sleep', { seconds: 0, failTimes: 2 }));
    await ended(url, await submitted('failed', 'sleep', { seconds: 0, failTimes: 100 }));
    await ended(url, await submitted('redriven', 'sleep', { seconds: 0, failTimes: 4 }));
    await act(url, ids['redriven']!, 'redrive');
    await ended(url, ids['redriven']!);
    const cancelled = await submitted('cancelled', 'sleep', { seconds: 600 });
    await eventually(
      () => read(url, cancelled),
      ({ status }) => status === 'in-progress',
    );
    await act(url, cancelled, 'cancel');
    await submitted(
      'backing off',
      'sleep',
      { seconds: 0, failTimes: 1 },
      { retry: { baseMs: 86_400_000, capMs: 86_400_000 } },
    );
    for (let index = 0; index < 3; index++) await submitted(`waiting ${index}`, 'sleep', { seconds: 600 });
    // The others may have been leased ahead while jobs were short; behind a long one they go back.
    const statuses = ['in-progress', 'pending', 'pending'];
    await eventually(
      () => Promise.all(statuses.map((_, index) => read(url, ids[`waiting ${index}`]!))),
      (waiting) => waiting.every(({ status }, index) => status === statuses[index]),
    );
    await server.kill();
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('hold after a server was killed, and are said to', () => {
    const { code, out } = examine(whole);
    expect(out).toMatch(/^Every promise holds: 10 jobs and 4 completions looked at\.\n$/);
    expect(code).toBe(0);
  });

  it.each<[what: string, sql: string, invariant: string, job: string | undefined]>([
    [
      'a job that completed twice',
      `INSERT INTO completions (job, attempt, token, at) SELECT job, attempt, token, at FROM completions LIMIT 1`,
      'completions',
      'small',
    ],
    ['a completion that was not noted', `DELETE FROM completions WHERE number = 1`, 'completions', 'small'],
    [
      'a completed job that is failed',
      `UPDATE jobs SET status = 4, result = NULL, error = '{}' WHERE result = '{"a":1}'`,
      'completions',
      'small',
    ],
    [
      'a history that no life cycle allows',
      `UPDATE jobs SET history = replace(history, '"failed"', '"cancelled"') WHERE type = 'sleep' AND status = 4`,
      'history',
      'failed',
    ],
    [
      'an attempt that is missing from the history',
      `UPDATE jobs SET attempt = 2 WHERE type = 'sleep' AND status = 4`,
      'history',
      'failed',
    ],
    [
      'a pending job that has a cancelled attempt',
      `UPDATE jobs SET status = 1, finished_at = NULL WHERE status = 5`,
      'history',
      'cancelled',
    ],
    [
      'a failed job without its error',
      `UPDATE jobs SET error = NULL WHERE status = 4`,
      'job-state',
      'failed',
    ],
    [
      'a use of a blob that is not noted',
      `DELETE FROM blob_uses WHERE blob = (SELECT result_blob FROM jobs WHERE result_blob IS NOT NULL)`,
      'uses',
      'large',
    ],
    ['a use by a job that is gone', `INSERT INTO blob_uses VALUES ('x', 1000)`, 'uses', undefined],
    [
      'a label that does not lead to its job',
      `UPDATE jobs SET labels = '{"a":"b"}' WHERE status = 5`,
      'labels',
      'cancelled',
    ],
    [
      'a label that leads to another job',
      `INSERT INTO labels SELECT 'a', 'b', seq FROM jobs WHERE status = 5`,
      'labels',
      'cancelled',
    ],
    ['a key without its places', `UPDATE jobs SET key = 'k' WHERE status = 5`, 'keys', 'cancelled'],
    [
      'more jobs than places',
      `INSERT INTO keys VALUES ('sleep', 'k', 1); UPDATE jobs SET key = 'k' WHERE status IN (1, 2)`,
      'keys',
      undefined,
    ],
  ])('are found broken by %s', async (_, sql, invariant, job) => {
    const { violations } = report(await spoilt(sql));
    const expected = { invariant, ...(job !== undefined && { job: ids[job] }) };
    expect(violations).toContainEqual(expect.objectContaining(expected));
  });

  it('are found broken by a blob that is missing, of a result and of jobs that have not ended', async () => {
    const copy = await spoilt(
      `INSERT INTO blob_uses SELECT '${systemClock.id()}', seq FROM jobs WHERE status IN (1, 2) AND input LIKE '%600%'`,
    );
    const blobs = await openFilesystemBlobs({ folder: join(copy, 'blobs'), clock: systemClock });
    for (const id of await blobs.list({ limit: 100 })) await blobs.delete({ id });
    const { violations } = report(copy);
    expect([...new Set(violations.map(({ invariant }) => invariant))]).toEqual(['blobs']);
    const hit = violations.map(({ job }) => job);
    expect(hit.sort()).toEqual(
      ['large', 'waiting 0', 'waiting 1', 'waiting 2'].map((name) => ids[name]!).sort(),
    );
    const { code, out } = examine(copy);
    expect(code).toBe(1);
    expect(out).toContain('4 promises are broken');
  });

  it('are no matter where the file itself is damaged, which a server says too', async () => {
    const data = await spoilt('PRAGMA wal_checkpoint(TRUNCATE)'); // or the log would mend the file
    const file = join(data, 'jobs.sqlite');
    await truncate(file, 3 * 4096);
    const examined = examine(data);
    const args = [main, 'serve', '--port', '0', '--data', data];
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 30_000 });
    for (const [code, text] of [
      [examined.code, examined.err + examined.out],
      [status, stderr],
    ] as const) {
      expect(code).toBe(1);
      expect(text).toMatch(/damaged|database disk image is malformed/);
    }
    expect(stderr).toContain(`The database ${file} is damaged`);
    expect(stderr).toContain('→ Copy the data folder before anything else');
  });

  it('are not looked at while a server has the folder, nor where there is none', async () => {
    const data = await spoilt('');
    const server = await startServer({ data });
    const busy = examine(data);
    await server.kill();
    expect(busy).toMatchObject({ code: 1, out: '' });
    expect(busy.err).toContain('A server has the data folder open. Stop it first.');
    const nowhere = examine(join(folder, 'nothing'), '--json');
    expect(nowhere.code).toBe(1);
    expect(JSON.parse(nowhere.err)).toMatchObject({ error: { code: 'unavailable' } });
  });
});
