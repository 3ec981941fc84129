/** The wall clock is set forward and back by hours while jobs run: leases and retention go by the time that passes. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { systemClock } from '../../src/clock.js';
import { submit, type Job } from '../support/api.js';
import { checkInvariants, fault } from './fault.js';
import { MixedLoad } from './mixed-load.js';

const preload = new URL('./preload/clock.mjs', import.meta.url);
const minute = 60_000;
const hour = 60 * minute;
/** A setting has reached the server and its executors after so long. */
const settledMs = 1_000;
/** Answers that depend on the time. */
const pages = ['/v1/queues', '/v1/workers', '/v1/jobs?limit=10', '/metrics', '/healthz', '/readyz'];

fault('clock', 'setting the clock expires no lease, removes no job and repeats no id', async (drill) => {
  const { random, quick } = drill;
  const control = join(await drill.folder(), 'offset');
  /** By the true clock. */
  const settings: { readonly at: number; readonly offset: number }[] = [];
  const set = (offset: number): void => {
    settings.push({ at: systemClock.now(), offset });
    writeFileSync(control, String(offset));
  };
  set(0);
  const data = await drill.folder();
  const server = await drill.server({
    data,
    // Longer than any job can look old that ended while the clock was behind; shorter than the last setting, which
    // would remove it too if ages went by the clock.
    args: ['--min-executors', '3', '--max-executors', '3', '--keep-for', '7h', '--log-level', 'error'],
    env: { NODE_OPTIONS: `--import=${preload.href}`, DRAY_FAULT_CLOCK: control },
  });
  const { url } = server;
  const load = new MixedLoad(random, quick ? 60 : 1_000);
  load.url = url;
  const sending = load.submitAll();
  sending.catch(() => undefined); // said where it is awaited

  const rounds = quick ? 3 : 20;
  const long = await submit(url, 'sleep', { seconds: quick ? 3 : 25 });
  const delayed: Job[] = [];
  const inOrder: string[] = [];
  for (let round = 1; round <= rounds; round++) {
    load.allow(round / rounds);
    delayed.push(await submit(url, 'echo', round, { delayMs: random.between(0, 2 * hour) }));
    for (let index = 0; index < 5; index++) inOrder.push((await submit(url, 'echo', index)).id);
    const offset = random.between(-6 * hour, 6 * hour);
    set(offset);
    await systemClock.sleep(random.between(100, quick ? 500 : 2_000));
    for (const page of [...pages, `/v1/jobs/${delayed.at(-1)!.id}/explain`]) {
      const response = await fetch(url + page);
      expect({ page, status: response.status, body: await response.text() }).toMatchObject({ status: 200 });
    }
    inOrder.push((await submit(url, 'echo', 'set')).id);
    if (round % 5 === 0) drill.say(`set ${round} times, now ${(offset / hour).toFixed(1)} h from the truth`);
  }

  // Later than anything that was put off on a clock that ran ahead.
  set(9 * hour);
  await sending;
  const jobs = await load.allEnded();
  const own = 1 + delayed.length + inOrder.length;
  expect(await load.check(jobs, own)).toEqual([]);
  const byId = new Map(jobs.map((job) => [job.id, job]));
  expect(byId.size).toBe(load.total + own);
  expect(byId.get(long.id)).toMatchObject({ status: 'completed', attempt: 1 });
  // None of them comes before its time by the clock on the wall, whatever that says. One that was due by a clock
  // before the last settings may begin after them: it waited for its turn at its worker.
  const periods = settings.map(({ at, offset }, index) => {
    const end = settings[index + 1]?.at ?? systemClock.now();
    return { offset, start: at, end, latest: end + offset };
  });
  const early = delayed.filter(({ id, runAt }) => {
    const started = Date.parse(byId.get(id)!.startedAt!);
    const due = runAt === undefined ? -Infinity : Date.parse(runAt);
    const during = (period: (typeof periods)[number]): boolean => {
      const truly = started - period.offset;
      return period.start - settledMs <= truly && truly <= period.end + settledMs;
    };
    const last = periods.findLastIndex(during);
    const wasDue = periods.slice(0, last + 1).some(({ latest }) => due <= latest + settledMs);
    return started < due && !wasDue;
  });
  expect(early).toEqual([]);
  expect([...inOrder].sort()).toEqual(inOrder);
  const outcomes = jobs.flatMap(({ attempts }) => attempts.map(({ outcome }) => outcome));
  expect(outcomes).not.toContain('expired');
  drill.say(
    `${jobs.length} jobs ended as they should, after ${outcomes.length} attempts, none of them expired`,
  );
  await server.stop();
  await checkInvariants(data);
});
