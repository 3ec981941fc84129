/** A node that is gone from one moment to the next, and comes back when nobody expects it any more. */
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Job } from '../support/api.js';
import { eventually } from '../support/eventually.js';
import { noChart, run } from './programs.js';
import { installRelease, type Release } from './release.js';
import { SteadyLoad } from './steady-load.js';

const minutes = 60_000;
const own = ['api', 'controller', 'worker'] as const;
const { DRAY_TEST_KILL_NODE: kill, DRAY_TEST_START_NODE: start } = process.env;

interface Node {
  readonly metadata: { readonly name: string };
  readonly status: { readonly conditions: readonly { readonly type: string; readonly status: string }[] };
}

async function nodes(): Promise<readonly { readonly name: string; readonly ready: boolean }[]> {
  const { items } = JSON.parse(await run('kubectl', ['get', 'nodes', '--output', 'json'])) as {
    items: Node[];
  };
  return items.map(({ metadata, status }) => ({
    name: metadata.name,
    ready: status.conditions.some(({ type, status: state }) => type === 'Ready' && state === 'True'),
  }));
}

/** Ends up on other nodes a few seconds after the cluster knows that its own is gone, and on several if there are. */
const movable = {
  tolerations: ['not-ready', 'unreachable'].map((trouble) => ({
    key: `node.kubernetes.io/${trouble}`,
    operator: 'Exists',
    effect: 'NoExecute',
    tolerationSeconds: 2,
  })),
  affinity: {
    podAntiAffinity: {
      preferredDuringSchedulingIgnoredDuringExecution: own.map((component) => ({
        weight: 100,
        podAffinityTerm: {
          topologyKey: 'kubernetes.io/hostname',
          labelSelector: { matchLabels: { 'app.kubernetes.io/component': component } },
        },
      })),
    },
  },
};

const few = noChart !== undefined || (await nodes()).length < 2;
describe.skipIf(few || !kill || !start)('a node that dies under load', () => {
  let release: Release;
  /** The one at which clients and servers are, and the one that dies. */
  let home: string;
  let lost: string;

  beforeAll(async () => {
    const names = (await nodes()).map(({ name }) => name);
    [home, lost] = [names[0]!, names.at(-1)!];
    release = await installRelease({
      // The servers move once more, with what they have.
      persistent: true,
      values: {
        api: { replicas: 2, ...movable },
        controller: { replicas: 2, ...movable },
        workers: { defaults: { replicas: 2, slots: 3, ...movable } },
      },
    });
    // A StatefulSet's pod waits for its dead node until somebody says that it is dead: that is another story.
    const spec = { nodeSelector: { 'kubernetes.io/hostname': home } };
    const patch = ['--patch', JSON.stringify({ spec: { template: { spec } } })];
    for (const server of ['redis', 'rabbitmq', 's3'])
      await release.kubectl(['patch', 'statefulset', `${release.fullname}-${server}`, ...patch]);
    await release.untilReady();
  }, 6 * minutes);
  afterAll(async () => {
    execFileSync('sh', ['-c', `${start!} "$1"`, 'sh', lost], { stdio: 'inherit' });
    await release.cleanup();
  }, 4 * minutes);

  async function placed(node: string): Promise<readonly string[]> {
    const pods = await Promise.all(own.map((component) => release.pods(component)));
    return pods
      .flat()
      .filter(({ spec }) => spec.nodeName === node)
      .map(({ metadata }) => metadata.name);
  }

  it(
    'has its pods replaced and its jobs done elsewhere, and its late results refused',
    { timeout: 8 * minutes },
    async () => {
      const load = new SteadyLoad(release);
      await load.goesOn();
      const victims = await placed(lost);
      expect(
        victims.some((name) => name.includes('-worker-')),
        `workers on ${lost}`,
      ).toBe(true);
      const client = release.client();
      const long = await Promise.all(
        Array.from({ length: 6 }, () =>
          client.submit({ type: 'sleep', input: { seconds: 10 }, priority: 'high' }),
        ),
      );
      const jobs = () => Promise.all(long.map(({ id }) => client.get(id)));
      const there = ({ worker, status }: Pick<Job, 'worker' | 'status'>): boolean =>
        status === 'in-progress' && victims.some((name) => worker?.includes(name));
      // They have seconds to go yet. More of them may begin there until the node is dead.
      const seen = await eventually(jobs, (all) => all.some(there));
      const caught = seen.filter(there).map(({ id }) => id);

      execFileSync('sh', ['-c', `${kill!} "$1"`, 'sh', lost], { stdio: 'inherit' });
      await eventually(nodes, (all) => all.some(({ name, ready }) => name === lost && !ready));
      await eventually(
        () => placed(lost),
        (names) => names.length === 0,
      );
      await release.untilReady();
      await load.goesOn();
      await load.stop();
      const ended = await load.ended();
      console.log('a node dies:', load.counted);
      expect(await load.wrong(ended, ['expired'])).toEqual([]);
      const before = await Promise.all(long.map(({ id }) => client.wait(id)));
      for (const { id, attempts } of before) {
        const outcomes = attempts.map(({ outcome }) => outcome);
        const onLost = victims.some((name) => attempts[0]?.worker.includes(name));
        const expired = caught.includes(id) || (onLost && outcomes.length > 1);
        expect(outcomes).toEqual(expired ? ['expired', 'completed'] : ['completed']);
      }

      // Its workers go on with what they were about, and know nothing.
      execFileSync('sh', ['-c', `${start!} "$1"`, 'sh', lost], { stdio: 'inherit' });
      await eventually(nodes, (all) => all.every(({ ready }) => ready));
      await eventually(
        () => release.kubectl(['get', 'pods', '--output', 'name']),
        (names) => victims.every((name) => !names.includes(name)),
      );
      expect(await jobs()).toEqual(before);
      const all = ended.length + long.length;
      expect(await release.invariants()).toMatchObject({ jobs: all, completions: all, violations: [] });
    },
  );
});
