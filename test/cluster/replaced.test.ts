/** Pods that go while jobs come: told to stop, and killed without a word. What was accepted is done all the same. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readExposition } from '../support/exposition.js';
import { eventually } from '../support/eventually.js';
import { noChart } from './programs.js';
import { isReady, type Pod } from './readiness.js';
import { installRelease, type Component, type Release } from './release.js';
import { SteadyLoad } from './steady-load.js';

const minutes = 60_000;
const ways = { 'told to stop': [], killed: ['--grace-period=0', '--force'] } as const;

/** What attempts may cost where the pod of this component is killed, or is told to stop. */
const costs: readonly {
  readonly component: Component;
  readonly way: keyof typeof ways;
  readonly cost: readonly ('expired' | 'failed')[];
}[] = [
  { component: 'worker', way: 'told to stop', cost: [] },
  { component: 'worker', way: 'killed', cost: ['expired'] },
  { component: 'controller', way: 'told to stop', cost: [] },
  { component: 'controller', way: 'killed', cost: [] },
  { component: 'rabbitmq', way: 'told to stop', cost: [] },
  { component: 'rabbitmq', way: 'killed', cost: [] },
  // Leases cannot be renewed meanwhile, and it may take longer than they last until Redis is there again.
  { component: 'redis', way: 'told to stop', cost: ['expired'] },
  { component: 'redis', way: 'killed', cost: ['expired'] },
  // An attempt whose input or result cannot be moved is tried again later.
  { component: 's3', way: 'told to stop', cost: ['failed'] },
  { component: 's3', way: 'killed', cost: ['failed'] },
];

describe.skipIf(noChart !== undefined)('a release whose pods go under load', () => {
  let release: Release;
  beforeAll(async () => {
    release = await installRelease({
      persistent: true,
      values: {
        api: { replicas: 2 },
        controller: { replicas: 2 },
        workers: { defaults: { replicas: 2, slots: 3 } },
      },
    });
  }, 8 * minutes);
  afterAll(() => release.cleanup(), 2 * minutes);

  /** The controller that leads, else the oldest. */
  async function victim(component: Component): Promise<Pod> {
    const pods = await release.pods(component);
    if (component !== 'controller') return pods[0]!;
    return (await eventually(
      async () => {
        const leader = await leading();
        return pods.find(({ metadata }) => leader?.startsWith(`${metadata.name}:`));
      },
      (pod) => pod !== undefined,
    ))!;
  }

  async function leading(): Promise<string | undefined> {
    const figures = readExposition(await (await release.fetch('/metrics')).text());
    return figures.get('dray_cluster_leader')?.samples[0]?.labels['controller'];
  }

  it.each(costs)(
    'loses nothing when the pod of $component is $way',
    { timeout: 5 * minutes },
    async (given) => {
      const { component, way, cost } = given;
      const load = new SteadyLoad(release);
      await load.goesOn();
      const { name, uid } = (await victim(component)).metadata;
      await release.kubectl(['delete', 'pod', name, '--wait=false', ...ways[way]]);
      await eventually(
        () => release.pods(component),
        (pods) => pods.every((pod) => pod.metadata.uid !== uid && isReady(pod)),
      );
      await release.untilReady();
      await load.goesOn();
      await load.stop();
      const jobs = await load.ended();
      console.log(`${component} ${way}:`, load.counted);
      expect(await load.wrong(jobs, cost)).toEqual([]);
      // Whoever asks the API for what does not need this server is answered.
      if (component === 'worker' || component === 'controller') expect(load.failures).toEqual([]);
      expect((await release.invariants()).violations).toEqual([]);
    },
  );
});
