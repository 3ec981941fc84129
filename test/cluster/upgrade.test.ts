/** A release that is upgraded, rolled back, taken away and put back: under load, nothing of that is felt. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { noChart } from './programs.js';
import { installRelease, type Component, type Release } from './release.js';
import { SteadyLoad } from './steady-load.js';

const minutes = 60_000;
const own = ['api', 'controller', 'worker'] as const;

/** As in earnest: two of each, so that one serves while the other is replaced. */
const doubled = {
  api: { replicas: 2 },
  controller: { replicas: 2 },
  workers: { defaults: { replicas: 2, slots: 3, drainGraceSeconds: 5 } },
};
/** A change that all of Dray's pods are replaced for. */
const revision = (name: string) => {
  const podAnnotations = { 'dray.dev/test-revision': name };
  return {
    api: { podAnnotations },
    controller: { podAnnotations },
    workers: { defaults: { podAnnotations } },
  };
};

/** What was generated: the API key and the passwords of the servers. */
async function secrets(release: Release): Promise<Readonly<Record<string, object>>> {
  interface Secrets {
    readonly items: readonly { readonly metadata: { readonly name: string }; readonly data?: object }[];
  }
  const { items } = JSON.parse(await release.kubectl(['get', 'secrets', '--output', 'json'])) as Secrets;
  const { fullname } = release;
  const generated = ['api-key', 'redis', 'rabbitmq', 's3'].map((name) => `${fullname}-${name}`);
  const found = items.filter(({ metadata: { name } }) => generated.includes(name));
  expect(found.map(({ metadata }) => metadata.name).sort()).toEqual(generated.sort());
  return Object.fromEntries(found.map(({ metadata: { name }, data }) => [name, data ?? {}]));
}

/** Those without which the servers' data could not be read; an API key is made anew at any time. */
async function passwordsOf(release: Release): Promise<Readonly<Record<string, object>>> {
  const all = Object.entries(await secrets(release));
  return Object.fromEntries(all.filter(([name]) => name !== `${release.fullname}-api-key`));
}

async function uids(release: Release, components: readonly Component[]): Promise<readonly string[]> {
  const pods = await Promise.all(components.map((component) => release.pods(component)));
  return pods.flat().map(({ metadata }) => metadata.uid);
}

describe.skipIf(noChart !== undefined)('a release under load', () => {
  let release: Release;
  beforeAll(async () => {
    release = await installRelease({ values: doubled });
  }, 8 * minutes);
  afterAll(() => release.cleanup(), 2 * minutes);

  it(
    'is upgraded and rolled back without a request that fails, a job that is lost or an attempt that counts',
    { timeout: 8 * minutes },
    async () => {
      const load = new SteadyLoad(release);
      await load.goesOn();
      const generated = await secrets(release);
      const first = await uids(release, own);
      const servers = await uids(release, ['redis', 'rabbitmq', 's3']);
      // Two end within the grace of the workers that they began on, and two do not.
      const client = release.client();
      const long = await Promise.all(
        [3, 3, 14, 14].map((seconds) => client.submit({ type: 'sleep', input: { seconds } })),
      );
      const waits = long.map(({ id }) => client.wait(id));

      await release.upgrade(revision('second'));
      const second = await uids(release, own);
      expect(second.filter((uid) => first.includes(uid))).toEqual([]);
      await load.goesOn();
      await release.helm('rollback', release.name);
      await release.untilReady();
      const third = await uids(release, own);
      expect(third.filter((uid) => [...first, ...second].includes(uid))).toEqual([]);
      await load.goesOn();
      await load.stop();

      expect(load.failures).toEqual([]);
      const jobs = await load.ended();
      expect(await load.wrong(jobs)).toEqual([]);
      expect((await Promise.all(waits)).map(({ status, attempt }) => ({ status, attempt }))).toEqual(
        long.map(() => ({ status: 'completed', attempt: 1 })),
      );
      const all = jobs.length + long.length;
      expect(await release.invariants()).toMatchObject({ jobs: all, completions: all, violations: [] });
      expect(await secrets(release)).toEqual(generated);
      expect(await uids(release, ['redis', 'rabbitmq', 's3'])).toEqual(servers);
    },
  );
});

describe.skipIf(noChart !== undefined)('a release whose servers keep their data', () => {
  let release: Release;
  beforeAll(async () => {
    release = await installRelease({ persistent: true });
  }, 8 * minutes);
  afterAll(() => release.cleanup(), 2 * minutes);

  it('is the same after an upgrade that changes nothing', { timeout: 4 * minutes }, async () => {
    const every = [...own, 'redis', 'rabbitmq', 's3'] as const;
    const [generated, before] = await Promise.all([secrets(release), uids(release, every)]);
    await release.upgrade();
    expect(await secrets(release)).toEqual(generated);
    expect(await uids(release, every)).toEqual(before);
  });

  it('has its jobs and their results when it is installed again', { timeout: 6 * minutes }, async () => {
    const client = release.client();
    // Its product is a blob.
    const random = (seed: number) => ({ random: { rows: 100, cols: 100, seed } });
    const product = await client.submit({ type: 'matmul', input: { a: random(1), b: random(2) } });
    await client.wait(product.id);
    const bytes = async () => (await release.fetch(`/v1/jobs/${product.id}/result`)).arrayBuffer();
    const before = Buffer.from(await bytes());
    const waiting = await client.submit({ type: 'echo', input: 'later', delayMs: 20_000 });
    const passwords = await passwordsOf(release);

    await release.helm('uninstall', release.name, '--wait');
    await eventually(
      () => release.kubectl(['get', 'pods', '--output', 'name']),
      (pods) => pods.trim() === '',
    );
    await release.install();

    expect(await passwordsOf(release)).toEqual(passwords);
    expect(Buffer.from(await bytes()).equals(before)).toBe(true);
    expect(await release.client().wait(waiting.id)).toMatchObject({ status: 'completed', result: 'later' });
    expect(await release.invariants()).toMatchObject({ jobs: 2, completions: 2, violations: [] });
  });
});
