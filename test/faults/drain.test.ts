/** SIGTERM: what runs is finished within the grace period, the rest is handed back and has cost no attempt. */
import { join } from 'node:path';
import { expect } from 'vitest';
import { systemClock } from '../../src/clock.js';
import type { Job } from '../../src/engine/engine.js';
import { openSqliteEngine } from '../../src/engine/sqlite/index.js';
import { leases } from '../../src/jobs/limits.js';
import { executorOf, submit } from '../support/api.js';
import { eventually } from '../support/eventually.js';
import { checkInvariants, fault, type Drill } from './fault.js';

/** The grace period by default, in ms. */
const graceMs = 30_000;
/** How long closing may take after the grace period, in ms: executors are aborted, connections cut. */
const closingMs = leases.cancelGrace + 10_000;
const executors = 4;

fault('drain', 'SIGTERM drains in the grace period and hands back the rest uncounted', async (drill) => {
  // The second signal ends the grace period there and then.
  const rounds = drill.quick ? [true] : [true, false, true, false];
  for (const hurried of rounds) await round(drill, hurried);
});

async function round(drill: Drill, hurried: boolean): Promise<void> {
  const { random } = drill;
  const data = await drill.folder();
  const args = ['--min-executors', String(executors), '--max-executors', String(executors)];
  const server = await drill.server({ data, args: [...args, '--log-level', 'error'] });

  const sleeping = async (seconds: number) => (await submit(server.url, 'sleep', { seconds })).id;
  const endless = new Set(await Promise.all([sleeping(600), sleeping(600)]));
  for (const id of endless) {
    await eventually(
      () => executorOf(server.url, id),
      (pid) => pid !== undefined,
    );
  }
  const short = await Promise.all(Array.from({ length: 20 }, () => sleeping(random.next())));
  const backlog = await Promise.all(Array.from({ length: 10 }, () => sleeping(1)));
  await systemClock.sleep(random.between(0, 2_000));
  const busy = await Promise.all(short.map((id) => executorOf(server.url, id)));
  const running = short.filter((_, index) => busy[index] !== undefined);

  const before = systemClock.monotonic();
  process.kill(server.pid, 'SIGTERM');
  if (hurried) {
    await systemClock.sleep(random.between(100, 1_000));
    process.kill(server.pid, 'SIGTERM');
  }
  expect(await server.exited, server.output()).toBe(0);
  const tookMs = systemClock.monotonic() - before;
  if (!hurried) expect(tookMs).toBeGreaterThanOrEqual(graceMs);
  expect(tookMs).toBeLessThan((hurried ? 1_000 : graceMs) + closingMs);

  await checkInvariants(data);
  const jobs = await stored(data);
  expect(jobs.size).toBe(endless.size + short.length + backlog.length);
  for (const { id, status, attempt, attempts } of jobs.values()) {
    const outcomes = attempts.map(({ outcome }) => outcome);
    if (endless.has(id)) expect(outcomes).toEqual(['released']);
    if (!hurried && running.includes(id)) expect(status).toBe('completed');
    // Uncounted: the next attempt is the first again.
    if (status !== 'completed') expect({ status, attempt }).toEqual({ status: 'pending', attempt: 0 });
    else expect(attempt).toBe(1);
    expect(outcomes).not.toContain('expired');
  }
  const completed = [...jobs.values()].filter(({ status }) => status === 'completed').length;
  drill.say(
    `${hurried ? 'two signals' : 'one signal'}: ended after ${Math.round(tookMs)} ms, ${running.length + endless.size} ` +
      `were running, ${completed} of ${jobs.size} completed, the others wait`,
  );
}

/** The jobs of a folder that no server has open. An engine expires the leases that it finds: there must be none. */
async function stored(data: string): Promise<Map<string, Job>> {
  const engine = await openSqliteEngine({ file: join(data, 'jobs.sqlite'), clock: systemClock });
  const { jobs } = await engine.list({ limit: 1_000 });
  await engine.close();
  return new Map(jobs.map((job) => [job.id, job]));
}
