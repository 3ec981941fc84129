import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openDatabase } from './database.js';
import { sqlText, type Database } from './statements.js';

const names = readdirSync(new URL('./sql/', import.meta.url))
  .filter((name) => name.endsWith('.sql'))
  .map((name) => name.slice(0, -'.sql'.length));

const body = (name: string): string => sqlText(name).replaceAll(/--.*$/gm, '');

describe('SQL files', () => {
  let folder: string;
  let db: Database;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'dray-statements-'));
    db = openDatabase(join(folder, 'jobs.db'));
  });

  afterAll(() => {
    db.close();
    rmSync(folder, { recursive: true });
  });

  test.each(names)('%s.sql names its parameters in its header, all of them and no other', (name) => {
    const header = /^-- params: (.*)$/m.exec(sqlText(name))?.[1] ?? '';
    const named = header
      .replaceAll(/\([^)]*\)/g, '')
      .split(',')
      .map((param) => param.trim());
    const used = [...body(name).matchAll(/:([a-zA-Z]+)/g)].map((match) => match[1]!);
    expect(new Set(named.filter(Boolean))).toEqual(new Set(used));
  });

  // What each statement reads of the table. The planner has no statistics, so this is what every file gets.
  const byId = 'SEARCH jobs USING INDEX sqlite_autoindex_jobs_1 (id=?)';
  const bySeq = 'SEARCH jobs USING INTEGER PRIMARY KEY (rowid=?)';
  const stretch = 'SEARCH jobs USING COVERING INDEX jobs_by_status (status=? AND type=?';
  const access: Readonly<Record<string, readonly string[]>> = {
    'add-labels': ['SEARCH jobs USING COVERING INDEX sqlite_autoindex_jobs_1 (id=?)'],
    ahead: ['SEARCH jobs USING COVERING INDEX jobs_ready (type=? AND priority=? AND (ready_at,rowid)<(?,?))'],
    cancel: [byId],
    claim: [bySeq],
    complete: [byId],
    count: ['SCAN jobs USING COVERING INDEX jobs_by_status'],
    'count-ready': ['SCAN jobs USING INDEX jobs_ready'],
    expire: ['SEARCH jobs USING COVERING INDEX jobs_leased (lease_until<?)'],
    fail: [byId],
    'finished-before': ['SEARCH jobs USING INDEX jobs_finished (finished_at<?)'],
    'forget-completions': ['SEARCH jobs USING INDEX jobs_finished'],
    'forget-key': ['SEARCH jobs USING COVERING INDEX jobs_of_key (type=? AND key=?)'],
    get: [byId],
    heartbeat: [byId],
    'held-ahead': ['SEARCH jobs USING INDEX jobs_keyed (type=? AND key=? AND held=? AND priority<?)'],
    'ids-of': [bySeq],
    labelled: [bySeq],
    'let-go': [bySeq],
    newest: ['SEARCH jobs USING INTEGER PRIMARY KEY (rowid<?)'],
    'newest-of': [`${stretch} AND seq<?)`],
    'next-due': ['SEARCH jobs USING COVERING INDEX jobs_scheduled'],
    'next-held': ['SEARCH jobs USING INDEX jobs_keyed (type=? AND key=? AND held=?)'],
    page: [bySeq],
    ping: ['SEARCH jobs'],
    'places-taken': ['SEARCH jobs USING INDEX jobs_keyed (type=? AND key=? AND held=?)'],
    ready: ['SEARCH jobs USING COVERING INDEX jobs_ready (type=? AND priority=?)'],
    redrive: [byId],
    release: [byId],
    'release-due': [bySeq, 'SEARCH jobs USING COVERING INDEX jobs_scheduled (run_at<?)'],
    remove: [bySeq],
    standing: [byId],
    'status-of': [byId],
    told: [byId],
    'types-of': [
      'SEARCH jobs USING COVERING INDEX jobs_by_status (status=?)',
      'SEARCH jobs USING COVERING INDEX jobs_by_status (status=? AND type>?)',
    ],
    untold: ['SEARCH jobs USING INDEX jobs_untold (tell_at<?)'],
    'use-blobs': ['SEARCH jobs USING COVERING INDEX sqlite_autoindex_jobs_1 (id=?)'],
    'waiting-since': ['SEARCH jobs USING COVERING INDEX jobs_ready (type=? AND priority=?)'],
  };

  test.each(names)('%s.sql finds its jobs by the index that is meant, and never sorts', (name) => {
    const plan = db.prepare(`EXPLAIN QUERY PLAN ${body(name)}`).all() as { detail: string }[];
    const steps = plan.map((step) => step.detail);
    expect(steps.filter((step) => /^(SCAN|SEARCH) jobs/.test(step))).toEqual(access[name] ?? []);
    expect(steps.filter((step) => step.includes('TEMP B-TREE'))).toEqual([]);
  });
});
