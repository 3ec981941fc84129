/** A fault of a deployment: a mixed load goes on while it happens, and what is left is held against the promises. */
import { expect } from 'vitest';
import { missing } from '../../../scripts/services/installation.mjs';
import { systemClock } from '../../../src/clock.js';
import type { Job } from '../../support/api.js';
import { fault, type Drill } from '../fault.js';
import { MixedLoad } from '../mixed-load.js';
import { Deployment, type DeploymentOptions } from './deployment.js';

export interface Scene {
  readonly deployment: Deployment;
  readonly load: MixedLoad;
  readonly drill: Drill;
  /** Jobs besides those of the load. */
  readonly others: Set<string>;
  /** Keeps clients from submitting more, until `goOn`. */
  readonly hold: () => void;
  /** Lets them submit their share of this time. */
  readonly goOn: () => void;
  /** The APIs that run now are the ones that clients know. */
  readonly tellClients: () => void;
}

export interface ClusterFault extends DeploymentOptions {
  /** How often, in full length and in a quick run. */
  readonly rounds?: { readonly full: number; readonly quick: number };
  /** True where `npm run check` has it too. */
  readonly checked?: boolean;
  /** One time; with each, clients go on with their share of all jobs. */
  /** Before anything is started. */
  readonly prepare?: (drill: Drill) => Promise<void>;
  /** See MixedLoad. */
  readonly plain?: boolean;
  readonly happens: (scene: Scene) => Promise<void>;
  /** Once all jobs but the others have ended. */
  readonly meanwhile?: (scene: Scene) => Promise<void>;
  /** Where not all of the usual promises hold: what must hold instead. */
  readonly judge?: (scene: Scene, ended: readonly Job[]) => Promise<void>;
  /** What else must hold at the end. */
  readonly then?: (scene: Scene, ended: readonly Job[]) => Promise<void>;
}

/** In ms: a run that hangs ends by itself, with what its processes have said, before it is cut off. */
const mostMs = { quick: 200_000, full: 1_700_000 };
const cutMs = { quick: 300_000, full: 1_800_000 };
const endMs = { quick: 120_000, full: 600_000 };
const jobs = { quick: 200, full: 2_000 };

/** By name; undefined in `npm run check`. */
const chosen = process.env['DRAY_FAULTS_CHOSEN']?.split(',');

export function clusterFault(name: string, promise: string, given: ClusterFault): void {
  if (chosen ? !chosen.includes(name) : given.checked !== true) return;
  fault(name, promise, (drill) => run(drill, given), { limits: cutMs, skip: lacksServers(given) });
}

/** True where a server cannot be had: what is skipped is counted, and in CI it is a failure. */
function lacksServers({ s3 = false }: ClusterFault): boolean {
  const [first] = missing().filter(({ program }) => s3 || program !== 'minio');
  if (!first) return false;
  if (process.env['CI'] !== undefined) throw first;
  console.warn(`skipped: ${first.message}`);
  return true;
}

async function run(drill: Drill, given: ClusterFault): Promise<void> {
  const { random, quick } = drill;
  await given.prepare?.(drill);
  const deployment = await Deployment.start(drill, given);
  const plain = given.plain ?? false;
  const load = new MixedLoad(random, quick ? jobs.quick : jobs.full, { plain });
  const rounds = given.rounds?.[quick ? 'quick' : 'full'] ?? 1;
  let round = 0;
  const scene: Scene = {
    deployment,
    load,
    drill,
    others: new Set(),
    hold: () => load.allow(0),
    goOn: () => load.allow(round / rounds),
    tellClients: () => (load.urls = deployment.urls),
  };
  const play = async (): Promise<void> => {
    scene.tellClients();
    const sending = load.submitAll();
    sending.catch(() => undefined); // said where it is awaited
    for (round = 1; round <= rounds; round++) {
      scene.goOn();
      await given.happens(scene);
      scene.goOn();
      scene.tellClients();
      drill.say(`${round} of ${rounds}, ${load.accepted.size} jobs accepted`);
    }
    await sending;
    drill.say(
      `${load.accepted.size} jobs accepted, ${load.unanswered} requests repeated, ${load.refused} put off`,
    );
    if (given.meanwhile) {
      await allEnded(scene, scene.others.size);
      await given.meanwhile(scene);
    }
    const ended = await allEnded(scene);
    await (given.judge ?? judge)(scene, ended);
    await checkRecords(scene, ended);
    await given.then?.(scene, ended);
  };
  const tooLong = new AbortController();
  const late = systemClock.sleep(quick ? mostMs.quick : mostMs.full, tooLong.signal).then(
    () => Promise.reject(new Error('the run takes too long')),
    () => undefined,
  );
  try {
    await Promise.race([play(), late]);
  } catch (error) {
    load.stop();
    for (const { output } of deployment.all) if (output !== '') drill.say(output);
    throw error;
  } finally {
    tooLong.abort();
  }
}

async function allEnded({ drill, load, deployment }: Scene, but = 0): Promise<Job[]> {
  const overdue = new AbortController();
  const cancel = systemClock.after(drill.quick ? endMs.quick : endMs.full, () => {
    overdue.abort(new Error('not all jobs have ended'));
  });
  try {
    return await load.allEnded({ signal: overdue.signal, but });
  } catch (error) {
    if (!overdue.signal.aborted) throw error;
    throw new Error(`not all jobs have ended:\n${await unfinished(deployment)}`, { cause: error });
  } finally {
    cancel();
  }
}

/** What jobs wait for, as any API says it. */
async function unfinished({ urls: [url] }: Deployment): Promise<string> {
  const lines: string[] = [];
  for (const status of ['scheduled', 'pending', 'in-progress']) {
    const { jobs } = (await (await fetch(`${url!}/v1/jobs?status=${status}&limit=10`)).json()) as {
      jobs: Job[];
    };
    for (const { id } of jobs) lines.push(await (await fetch(`${url!}/v1/jobs/${id}/explain`)).text());
  }
  return lines.join('\n');
}

async function judge({ deployment, load, others }: Scene, ended: readonly Job[]): Promise<void> {
  expect(await load.check(ended, others.size)).toEqual([]);
  const twice = [...deployment.completions()].filter(([, times]) => times > 1);
  expect(twice, 'completed more than once, as the workers tell it').toEqual([]);
}

async function checkRecords({ deployment, drill }: Scene, ended: readonly Job[]): Promise<void> {
  const completed = ended.filter(({ status }) => status === 'completed').length;
  const report = await deployment.invariants();
  expect(report, 'jobs and completions that Redis counted').toEqual({
    jobs: ended.length,
    completions: completed,
    violations: [],
    more: 0,
  });
  const outcomes = ended.flatMap(({ attempts }) => attempts.map(({ outcome }) => outcome));
  const expired = outcomes.filter((outcome) => outcome === 'expired').length;
  drill.say(
    `${ended.length} jobs ended, ${completed} completed, after ${outcomes.length} attempts, ${expired} lost`,
  );
}
