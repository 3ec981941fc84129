import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { canMount, mountSmallDisk } from '../../../test/support/small-disk.js';
import { systemClock as clock } from '../../clock.js';
import { defaultRetry } from '../../jobs/retry.js';
import type { Engine, NewJob } from '../engine.js';
import { openSqliteEngine } from './index.js';

const newJob = (inline: unknown = null): NewJob => ({
  id: clock.id(),
  type: 'echo',
  input: { inline },
  retry: defaultRetry,
  timeoutMs: 1_000,
  work: 1,
  priority: 'normal',
  labels: {},
  blobs: [],
});

const claim = (engine: Engine, max = 1) =>
  engine.claim({
    worker: 'w',
    types: ['echo'],
    max,
    leaseMs: 3_600_000,
    signal: new AbortController().signal,
  });

describe('sqlite engine', () => {
  let folder: string;
  let file: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'dray-sqlite-'));
    file = join(folder, 'new', 'jobs.db');
  });

  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  /** Starts a process that submits, kills it with SIGKILL after some answers, and gives the ids answered. */
  const submitAndDie = async (params: { leased: number; answers: number }): Promise<string[]> => {
    const script = fileURLToPath(new URL('../../../test/support/submitter.mjs', import.meta.url));
    const child = spawn(process.execPath, [script, file, String(params.leased)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = once(child, 'exit');
    const ids: string[] = [];
    for await (const line of createInterface({ input: child.stdout })) {
      ids.push(line);
      if (ids.length === params.answers) {
        // While its owner lives nobody else gets in, from another process neither.
        await expect(openSqliteEngine({ file, clock })).rejects.toMatchObject({
          code: 'unavailable',
          message: expect.stringContaining('in use by another dray process') as string,
        });
        child.kill('SIGKILL');
      }
    }
    await exited;
    return ids.filter((id) => id.length === 36); // the kill may cut the last line short
  };

  test('has every job that was answered before a kill -9, and ends the leases of the dead process', async () => {
    const leased = 5;
    const ids = await submitAndDie({ leased, answers: 500 });
    const engine = await openSqliteEngine({ file, clock });
    try {
      const jobs = await Promise.all(ids.map((id) => engine.get({ id })));
      expect(jobs.map((job) => job?.input)).toEqual(ids.map((id) => ({ inline: { id } })));
      expect(jobs.map((job) => job?.status)).toEqual(ids.map(() => 'pending'));
      const ended = jobs
        .slice(0, leased)
        .map((job) => [job?.attempt, job?.attempts[0]?.outcome, job?.error?.code]);
      expect(ended).toEqual(Array.from({ length: leased }, () => [1, 'expired', 'lease-expired']));
      expect((await claim(engine)).map(({ job }) => job.status)).toEqual(['in-progress']);
    } finally {
      await engine.close();
    }
  });

  test('gives up at open on jobs that killed their process once too often', async () => {
    const job = { ...newJob(), retry: { ...defaultRetry, attempts: 1 } };
    const first = await openSqliteEngine({ file, clock });
    await first.submit({ jobs: [job] });
    await claim(first);
    await first.close();
    const second = await openSqliteEngine({ file, clock });
    expect(await second.get({ id: job.id })).toMatchObject({
      status: 'failed',
      error: { code: 'lease-expired' },
    });
    await second.close();
  });

  test('is refused to a second opener and free after close', async () => {
    const first = await openSqliteEngine({ file, clock });
    await expect(openSqliteEngine({ file, clock })).rejects.toMatchObject({ code: 'unavailable' });
    await first.close();
    const second = await openSqliteEngine({ file, clock });
    await second.ping();
    await second.close();
  });

  test('lets a claim see the jobs of its own turn', async () => {
    const engine = await openSqliteEngine({ file, clock });
    const job = newJob();
    const statuses: string[] = [];
    engine.subscribe((event) => statuses.push(event.status));
    const leases = claim(engine);
    await engine.submit({ jobs: [job] });
    expect(statuses).toEqual(['pending', 'in-progress']); // both in the commit that the submit waited for
    expect((await leases)[0]?.job.id).toBe(job.id);
    await engine.close();
  });

  test('refuses a file that is no database', async () => {
    writeFileSync(join(folder, 'text.db'), 'x'.repeat(10_000));
    await expect(openSqliteEngine({ file: join(folder, 'text.db'), clock })).rejects.toMatchObject({
      code: 'data-damaged',
      message: expect.stringContaining('not a database') as string,
    });
  });

  test.skipIf(!canMount())(
    'loses nothing it accepted on a full disk, and goes on when there is room',
    async () => {
      const disk = mountSmallDisk('8m');
      try {
        const ballast = join(disk.path, 'ballast');
        writeFileSync(ballast, Buffer.alloc(4 << 20));
        const engine = await openSqliteEngine({ file: join(disk.path, 'jobs.db'), clock });
        const accepted: string[] = [];
        const refused: unknown[] = [];
        const text = 'x'.repeat(30_000);
        for (let round = 0; round < 100 && refused.length === 0; round++) {
          const jobs = Array.from({ length: 10 }, () => newJob(text));
          const answers = await Promise.allSettled(jobs.map((job) => engine.submit({ jobs: [job] })));
          answers.forEach((answer, index) => {
            if (answer.status === 'fulfilled') accepted.push(jobs[index]!.id);
            else refused.push(answer.reason);
          });
        }
        expect(accepted.length).toBeGreaterThan(0);
        expect(refused[0]).toMatchObject({ code: 'storage-full' });
        const stored = async (): Promise<string[]> =>
          (await engine.list({ limit: 1_000 })).jobs.map(({ id }) => id).reverse();
        expect(await stored()).toEqual(accepted);

        rmSync(ballast);
        const late = newJob(text);
        await engine.submit({ jobs: [late] });
        expect(await stored()).toEqual([...accepted, late.id]);
        const [lease] = await claim(engine);
        expect(lease!.job.id).toBe(accepted[0]);
        await engine.close();
      } finally {
        disk.remove();
      }
    },
  );
});
