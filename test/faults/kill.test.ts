/** Accepted means durable: servers and executors die with -9 at any moment of a mixed load. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { systemClock } from '../../src/clock.js';
import { readExposition } from '../support/exposition.js';
import type { TestServer } from '../support/server.js';
import { checkInvariants, fault, type Drill } from './fault.js';
import { MixedLoad } from './mixed-load.js';

const checkEvery = 20;

fault('kill', 'no accepted job is lost, none completes twice, and all end', async (drill) => {
  const { random, quick } = drill;
  const [kills, jobs] = quick ? [3, 120] : [200, 5_000];
  const data = await drill.folder();
  const load = new MixedLoad(random, jobs);
  const sending = load.submitAll();
  sending.catch(() => undefined); // said where it is awaited
  const shot = { executors: 0, starts: 0 };

  for (let kill = 1; kill <= kills; kill++) {
    load.allow((kill - 0.5) / kills);
    if (random.chance(0.1)) {
      await dieAtStart(drill, data);
      shot.starts += 1;
    } else {
      const server = await start(drill, data);
      load.url = server.url;
      // Where no server lived long enough to end a job, the oldest would use up all of its attempts.
      for (let turns = 200; turns > 0 && (await endedBy(server)) === 0; turns--) await systemClock.sleep(50);
      for (let more = random.between(0, 2); more > 0; more--) {
        await systemClock.sleep(random.between(0, 400));
        if (await shootExecutor(server, drill)) shot.executors += 1;
      }
      await systemClock.sleep(random.between(0, 600));
      load.allow(kill / kills);
      await systemClock.sleep(random.between(0, 40)); // so that it dies with requests under way
      await server.kill();
      load.url = undefined;
    }
    if (kill % checkEvery !== 0) continue;
    const { jobs: stored } = await checkInvariants(data);
    // Those of a request under way may be stored and not yet known to the client.
    expect(stored).toBeGreaterThanOrEqual(load.accepted.size);
    drill.say(`${kill} kills: ${stored} jobs stored, ${load.accepted.size} of them accepted`);
  }

  load.allow(1);
  const server = await start(drill, data);
  load.url = server.url;
  await sending;
  drill.say(
    `${kills} kills, ${shot.starts} of them while starting, and ${shot.executors} of executors; ` +
      `${load.unanswered} requests repeated, ${load.replayed} answers replayed`,
  );
  const ended = await load.allEnded();
  expect(await load.check(ended)).toEqual([]);
  const outcomes = ended.flatMap(({ attempts }) => attempts.map(({ outcome }) => outcome));
  const expired = outcomes.filter((outcome) => outcome === 'expired').length;
  drill.say(
    `${ended.length} jobs ended, after ${outcomes.length} attempts, ${expired} of them lost with a server`,
  );
  await server.stop();

  const { jobs: stored, completions } = await checkInvariants(data);
  expect(stored).toBe(jobs);
  expect(completions).toBe(ended.filter(({ status }) => status === 'completed').length);
  // Its folder may be made by an executor that was starting when its server died, and found that out then.
  const left = await readdir(join(data, 'blobs', 'tmp'), { recursive: true, withFileTypes: true });
  expect(left.filter((entry) => entry.isFile())).toEqual([]);
  drill.say(`${completions} completions, each of another job`);
});

function start(drill: Drill, data: string): Promise<TestServer> {
  return drill.server({
    data,
    args: ['--min-executors', '2', '--max-executors', '4', '--log-level', 'error'],
  });
}

/** How many attempts have ended by themselves since the server was started. */
async function endedBy({ url }: TestServer): Promise<number> {
  const exposition = readExposition(await (await fetch(`${url}/metrics`)).text());
  const samples = exposition.get('dray_attempts_total')?.samples ?? [];
  return samples
    .filter(({ labels }) => /completed|failed/.test(labels['outcome']!))
    .reduce((sum, { value }) => sum + value, 0);
}

/** Kills a server that is starting, or just has. */
async function dieAtStart(drill: Drill, data: string): Promise<void> {
  const signal = AbortSignal.timeout(drill.random.between(20, 500));
  try {
    await (
      await drill.server({ data, signal })
    ).exited;
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

async function shootExecutor({ url }: TestServer, { random }: Drill): Promise<boolean> {
  const { workers } = (await (await fetch(`${url}/v1/workers`)).json()) as {
    workers: { executors: { pid: number }[] }[];
  };
  const pids = workers.flatMap(({ executors }) => executors.map(({ pid }) => pid)).filter((pid) => pid > 0);
  if (pids.length === 0) return false;
  try {
    process.kill(random.pick(pids), 'SIGKILL');
    return true;
  } catch {
    return false; // it has ended meanwhile
  }
}
