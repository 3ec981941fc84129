import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { Job } from '../contract/job.js';
import { jobDetails, jobsTable, type Look } from './table.js';

const created = Date.parse('2030-01-01T00:00:00.000Z');
const at = (ms: number): string => new Date(created + ms).toISOString();
const look: Look = { now: created + 125_000, width: 120, paint: (_, text) => text };
const job: Job = {
  id: '0190a5c8-0000-7000-8000-000000000001',
  type: 'matmul',
  status: 'completed',
  priority: 'normal',
  labels: {},
  version: 3,
  input: { a: { blob: 'x' } },
  attempt: 1,
  maxAttempts: 5,
  timeoutMs: 1000,
  createdAt: at(0),
  startedAt: at(1000),
  finishedAt: at(2234),
  attempts: [],
};
const failed: Job = {
  ...job,
  id: '0190a5c8-0000-7000-8000-000000000002',
  status: 'failed',
  attempt: 5,
  error: {
    code: 'executor-crashed',
    message: 'the process was killed by SIGKILL\nin mid-job',
    permanent: false,
  },
  attempts: [
    {
      attempt: 5,
      worker: 'here',
      startedAt: at(1000),
      endedAt: at(2234),
      outcome: 'failed',
      peakMemory: 52_000_000,
      error: { code: 'executor-crashed', message: 'the process was killed by SIGKILL', permanent: false },
    },
  ],
};

describe('the table of jobs', () => {
  it('shows one line a job', () => {
    expect(jobsTable([job, failed], look)).toBe(
      [
        'ID                                    TYPE    STATUS     TRIES  AGE    TOOK    NOTE',
        '0190a5c8-0000-7000-8000-000000000001  matmul  completed  1/5    2 min  1.23 s',
        '0190a5c8-0000-7000-8000-000000000002  matmul  failed     5/5    2 min  1.23 s  executor-crashed: the process was killed…',
      ].join('\n'),
    );
  });

  it.each([200, 100, 85, 80, 70, 60])('fits into %d columns with whole ids', (width) => {
    const jobs: Job[] = [{ ...failed, status: 'in-progress', progress: { fraction: 0.5 } }, failed];
    const lines = jobsTable(jobs, { ...look, width }).split('\n');
    expect(lines).toHaveLength(3);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(width);
    expect(lines[2]).toContain(failed.id);
  });

  it('keeps whole notes where lines may be of any length', () => {
    expect(jobsTable([failed], { ...look, width: Infinity })).toContain(
      'the process was killed by SIGKILL in mid-job',
    );
  });

  it('notes how far a job is and when the next try is due', () => {
    const running: Job = { ...job, status: 'in-progress', progress: { fraction: 0.256, message: 'row 3' } };
    const waiting: Job = { ...failed, status: 'scheduled', runAt: at(130_000) };
    const text = jobsTable([running, waiting], look);
    expect(text).toContain('25% row 3');
    expect(text).toContain('in 5.00 s, after executor-crashed');
  });

  it('notes which key holds a job', () => {
    const held: Job = { ...job, status: 'pending', held: true, concurrencyKey: 'tenant-7' };
    expect(jobsTable([held], look)).toContain('held by key tenant-7');
  });

  it('aligns columns that are coloured', () => {
    const coloured = { ...look, paint: (_: string, text: string) => `\u001b[31m${text}\u001b[0m` };
    const plain = stripVTControlCharacters(jobsTable([job, failed], coloured));
    expect(plain).toBe(jobsTable([job, failed], look));
  });
});

describe('the details of a job', () => {
  it('name what its error says beyond its message, with whole ids of blobs', () => {
    const blob = '0190a5c8-0000-7000-8000-000000000009';
    const details = { reason: 'exited', exitCode: 3, log: { blob } };
    const error = { code: 'container-failed', message: 'exit code 3', permanent: true, details };
    const text = jobDetails({ ...failed, error }, { ...look, width: 40 });
    expect(text).toContain('error       container-failed: exit code…\n            reason      exited\n');
    expect(text).toContain(`            exitCode    3\n            log         blob ${blob}\n`);
  });

  it('name its error and its attempts, and leave out what is not known', () => {
    const text = jobDetails(failed, look);
    expect(text).toContain('error       executor-crashed: the process was killed by SIGKILL in mid-job');
    expect(text).toMatch(/^5 +failed +1\.23 s +52\.0 MB +executor-crashed: /m);
    expect(text).not.toContain('result');
    expect(text).not.toContain('worker');
  });

  it('name priority, key and labels where they say something', () => {
    const text = jobDetails(
      { ...job, priority: 'low', concurrencyKey: 'k', labels: { a: 'b', c: 'd' } },
      look,
    );
    expect(text).toMatch(/^priority +low\nkey +k\nlabels +a=b c=d$/m);
    expect(jobDetails(job, look)).not.toMatch(/^(?:priority|key|labels) /m);
  });

  it('name the blobs of a large input and result', () => {
    const text = jobDetails({ ...job, input: undefined, inputBlob: 'blob-1', resultBlob: 'blob-2' }, look);
    expect(text).toContain('input       blob blob-1');
    expect(text).toContain('result      blob blob-2');
  });
});
