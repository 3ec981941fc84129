/** Accepted means durable: servers and executors die in the middle of 500 jobs, and every job completes once. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkFolder } from '../../src/compose/doctor.js';
import { submit, type Job } from '../support/api.js';
import { eventually } from '../support/eventually.js';
import { startServer } from '../support/server.js';

const jobs = 500;
const retry = { attempts: 50, baseMs: 1, capMs: 5 };
const args = ['--min-executors', '2', '--max-executors', '2', '--log-level', 'warn'];

async function countOf(url: string, status: string): Promise<number> {
  const page = await fetch(`${url}/v1/jobs?status=${status}&limit=1000`);
  return ((await page.json()) as { jobs: Job[] }).jobs.length;
}

async function executors(url: string): Promise<number[]> {
  const { workers } = (await (await fetch(`${url}/v1/workers`)).json()) as {
    workers: { executors: { pid: number }[] }[];
  };
  return workers.flatMap((worker) => worker.executors.map(({ pid }) => pid));
}

describe('500 jobs', () => {
  it('all complete, each published once, though servers and executors are killed with -9', async () => {
    const data = await mkdtemp(join(tmpdir(), 'dray-durability-'));
    let server = await startServer({ data, args });
    for (let i = 0; i < jobs; i++) {
      const input = i % 2 === 0 ? { seconds: 0.01 } : { seconds: 0, failTimes: i % 5 === 0 ? 1 : 0 };
      await submit(server.url, 'sleep', input, { retry });
    }
    for (const doneBefore of [60, 180, 300]) {
      await eventually(
        () => countOf(server.url, 'completed'),
        (done) => done >= doneBefore,
      );
      const [victim] = await eventually(
        () => executors(server.url),
        (pids) => pids.length > 0,
      );
      try {
        process.kill(victim!, 'SIGKILL');
      } catch {
        // It ended between the question and the shot: the server's own end is what matters next.
      }
      await server.kill();
      server = await startServer({ data, args });
    }
    await eventually(
      () => countOf(server.url, 'completed'),
      (done) => done === jobs,
    );
    await server.stop();

    expect(await checkFolder(data)).toEqual({ jobs, completions: jobs, violations: [], more: 0 });
    await rm(data, { recursive: true });
  });
});
