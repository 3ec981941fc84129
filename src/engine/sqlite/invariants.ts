/**
 * What must hold of a database that no server has open, whatever has happened to the server before: the promises
 * of the engine, read from the tables and not through its operations.
 */
import { existsSync } from 'node:fs';
import { DrayError } from '../../jobs/errors.js';
import type { InvariantReport } from '../../jobs/invariants.js';
import { Findings, type StoredJob } from '../job-invariants.js';
import { Reader } from './reader.js';
import { readRecord, recordExpression } from './rows.js';
import { migrationFiles } from './schema.js';

const pageSize = 500;

/**
 * @param hasBlob true where the blob is there as it was written.
 * @throws DrayError `unavailable` where a server has the file, where there is none, or where another version wrote it.
 */
export async function checkInvariants(params: {
  file: string;
  hasBlob: (id: string) => Promise<boolean>;
}): Promise<InvariantReport> {
  const reader = openStopped(params.file);
  try {
    const found = new Findings();
    for (const text of damages(reader)) found.add({ invariant: 'file', detail: text });
    if (found.any) return { jobs: 0, completions: 0, ...found.report() }; // what else it says means nothing
    let jobs = 0;
    for (const page of pages(reader)) {
      jobs += page.length;
      for (const row of page) await found.look(row, params.hasBlob);
    }
    for (const [invariant, sql, detail] of tableChecks) {
      for (const row of reader.all<{ job: string | null; what: string }>(['job', 'what'], `(${sql})`)) {
        found.add({ invariant, ...(row.job !== null && { job: row.job }), detail: `${detail}: ${row.what}` });
      }
    }
    const [{ completions }] = reader.all<{ completions: number }>(
      ['completions'],
      '(SELECT count(*) AS completions FROM completions)',
    ) as [{ completions: number }];
    return { jobs, completions, ...found.report() };
  } finally {
    reader.close();
  }
}

function openStopped(file: string): Reader {
  if (!existsSync(file)) {
    throw new DrayError('unavailable', `There is no database at ${file}. Name the data folder with --data.`);
  }
  const reader = new Reader(file);
  try {
    const [{ user_version: found }] = reader.all(['user_version'], 'pragma_user_version') as [
      { user_version: number },
    ];
    const known = migrationFiles().length;
    if (found === known) return reader;
    throw new DrayError(
      'unavailable',
      `The data folder has schema ${found}, this version knows ${known}. ` +
        (found < known ? 'Start the server on it once, and stop it.' : 'Use the version that wrote it.'),
    );
  } catch (error) {
    reader.close();
    if (!(error instanceof Error) || !/database is locked/.test(error.message)) throw error;
    throw new DrayError('unavailable', 'A server has the data folder open. Stop it first.', { cause: error });
  }
}

function damages(reader: Reader): string[] {
  const rows = reader.all<{ quick_check: string }>(['quick_check'], 'pragma_quick_check');
  return rows.map(({ quick_check: text }) => text).filter((text) => text !== 'ok');
}

function* pages(reader: Reader): Generator<StoredJob[]> {
  let after = 0;
  for (;;) {
    const uses = '(SELECT json_group_array(blob) FROM blob_uses WHERE blob_uses.seq = jobs.seq)';
    const page = reader
      .all<{ record: string; uses: string }>(
        ['record', 'uses'],
        `(SELECT ${recordExpression} AS record, ${uses} AS uses FROM jobs WHERE seq > ${after} ORDER BY seq LIMIT ${pageSize})`,
      )
      .map(({ record, uses }) => ({ ...readRecord(record), uses: JSON.parse(uses) as string[] }));
    if (page.length === 0) return;
    after = page.at(-1)!.seq;
    yield page;
  }
}

/** Queries that give a row for each violation: the job, where it is one's, and what is wrong. */
const tableChecks: readonly (readonly [invariant: string, sql: string, detail: string])[] = [
  [
    'completions',
    `SELECT job, count(*) || ' times' AS what FROM completions GROUP BY job HAVING count(*) > 1`,
    'completed more than once',
  ],
  [
    'completions',
    `SELECT id AS job, 'attempt ' || attempt AS what FROM jobs
     WHERE status = 3 AND NOT EXISTS (SELECT 1 FROM completions AS c WHERE c.job = id AND c.attempt = jobs.attempt)`,
    'completed, and its completion was not noted',
  ],
  [
    'completions',
    `SELECT c.job, 'status ' || status AS what FROM completions AS c JOIN jobs ON id = c.job WHERE status <> 3`,
    'was completed, and is so no longer',
  ],
  [
    'completions',
    `SELECT job, 'attempt ' || attempt AS what FROM completions WHERE token IS NULL`,
    'completed without a lease',
  ],
  [
    'leases',
    `SELECT NULL AS job, token AS what FROM jobs WHERE token IS NOT NULL GROUP BY token HAVING count(*) > 1`,
    'two jobs have one token',
  ],
  [
    'keys',
    `SELECT NULL AS job, jobs.type || ' ' || jobs.key || ', ' || count(*) || ' of ' || places AS what
     FROM jobs JOIN keys USING (type, key) WHERE status IN (1, 2) AND held = 0
     GROUP BY jobs.type, jobs.key HAVING count(*) > places`,
    'more jobs have a place than there are, which only a later submit with a lower number explains',
  ],
  [
    'keys',
    `SELECT id AS job, key AS what FROM jobs WHERE key IS NOT NULL
       AND NOT EXISTS (SELECT 1 FROM keys WHERE keys.type = jobs.type AND keys.key = jobs.key)`,
    'the places of its key are not known',
  ],
  [
    'labels',
    `SELECT jobs.id AS job, entry.key || '=' || entry.value AS what FROM jobs, json_each(jobs.labels) AS entry
     WHERE NOT EXISTS (SELECT 1 FROM labels AS l WHERE l.seq = jobs.seq AND l.name = entry.key AND l.value = entry.value)`,
    'cannot be found by its label',
  ],
  [
    'labels',
    `SELECT jobs.id AS job, l.name || '=' || l.value AS what FROM labels AS l LEFT JOIN jobs USING (seq)
     WHERE jobs.seq IS NULL OR NOT EXISTS (
       SELECT 1 FROM json_each(jobs.labels) AS entry WHERE entry.key = l.name AND entry.value = l.value)`,
    'is found by a label that it has not',
  ],
  [
    'uses',
    `SELECT id AS job, blob AS what FROM
       (SELECT id, seq, input_blob AS blob FROM jobs UNION ALL SELECT id, seq, result_blob FROM jobs) AS held
     WHERE blob IS NOT NULL
       AND NOT EXISTS (SELECT 1 FROM blob_uses AS u WHERE u.blob = held.blob AND u.seq = held.seq)`,
    'its use of a blob is not noted, so retention would remove it',
  ],
  [
    'uses',
    `SELECT NULL AS job, blob AS what FROM blob_uses LEFT JOIN jobs USING (seq) WHERE jobs.seq IS NULL`,
    'a blob is kept for a job that is gone',
  ],
];
