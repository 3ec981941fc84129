/** What cannot work is refused by helm, or said by the pods that wait for it and by `dray doctor --kubernetes`. */
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Finding } from '../../src/jobs/diagnosis.js';
import { eventually } from '../support/eventually.js';
import { main } from '../support/server.js';
import { chartImages, type ChartImages } from './chart-images.js';
import { testNamespace, type TestNamespace } from './cluster.js';
import { noChart, run } from './programs.js';
import type { Pod } from './readiness.js';
import { chart } from './release.js';

const minutes = 60_000;
const small = { requests: { cpu: '50m', memory: '64Mi' } };
const persistence = { enabled: false };
const usual = {
  autoscaling: { mode: 'off' },
  api: { replicas: 1, autoscaling: { enabled: false }, resources: small },
  controller: { replicas: 1, resources: small },
  workers: { defaults: { replicas: 1, slots: 1, resources: small } },
  redis: { resources: small, persistence },
  rabbitmq: { resources: small, persistence },
  s3: { resources: small, persistence },
};

describe.skipIf(noChart !== undefined)('an install that cannot work', () => {
  let space: TestNamespace;
  let images: ChartImages;
  const kubectl = (...args: readonly string[]) => run('kubectl', ['--namespace', space.name, ...args]);
  /** Several files of values, of which the later ones win, come as one: helm reads its standard input once. */
  const install = (values: object, ...layers: readonly string[]) =>
    run('helm', ['install', 'dray', chart, '--namespace', space.name, '--values', '-', ...layers], {
      input: JSON.stringify({ ...usual, ...values }),
    });

  beforeAll(async () => {
    images = await chartImages();
    space = await testNamespace();
  }, 8 * minutes);
  afterAll(async () => {
    await run('helm', ['uninstall', 'dray', '--namespace', space.name, '--ignore-not-found', '--wait=false']);
    await space.cleanup();
  }, 2 * minutes);

  it.each<[wrong: string, values: object, said: RegExp]>([
    ['a word for a number', { api: { replicas: 'two' } }, /\/api\/replicas/],
    ['a key that there is not', { workers: { defaults: { slot: 3 } } }, /\/workers\/defaults.*slot/],
    ['an option that there is not', { options: { keepsFor: '2d' } }, /\/options.*keepsFor/],
    ['a mode that there is not', { autoscaling: { mode: 'hpa' } }, /\/autoscaling\/mode/],
    ['half of an external server', { redis: { enabled: false } }, /redis\.external\.existingSecret/],
    [
      'a Secret that is not there',
      { apiKeys: { existingSecret: 'nobodys' } },
      /apiKeys\.existingSecret: there is no Secret `nobodys`/,
    ],
  ])('is refused for %s, by name, and leaves nothing behind', async (_, values, said) => {
    await expect(install(values)).rejects.toThrow(said);
    expect((await kubectl('get', 'deployments,statefulsets,services', '--output', 'name')).trim()).toBe('');
  });

  describe('whose Redis is nowhere', () => {
    const address = 'redis://:secret-word@redis.invalid:6379';

    beforeAll(async () => {
      await kubectl('create', 'secret', 'generic', 'elsewhere', `--from-literal=address=${address}`);
      const { image, rabbitmq, s3 } = images;
      await install({
        image,
        redis: { enabled: false, external: { existingSecret: 'elsewhere' } },
        rabbitmq: { ...usual.rabbitmq, ...rabbitmq },
        s3: { ...usual.s3, ...s3 },
      });
    });

    async function pods(component: string): Promise<readonly Pod[]> {
      return space.api.list<Pod>(space.api.pods(), `app.kubernetes.io/component=${component}`);
    }

    interface Ended {
      readonly lastState?: { readonly terminated?: { readonly message?: string } };
      readonly state?: { readonly terminated?: { readonly message?: string } };
    }

    it.each(['api', 'controller'])(
      'has a check of its %s that says so, in a pod that starts nothing else',
      { timeout: 5 * minutes },
      async (component) => {
        const [pod] = await eventually(
          () => pods(component),
          ([first]) => said(first) !== '',
        );
        expect(said(pod)).toMatch(/redis/i);
        expect(said(pod)).toContain('redis.invalid');
        expect(said(pod)).not.toContain('secret-word');
        expect(pod!.status.containerStatuses?.map(({ restartCount }) => restartCount)).toEqual([0]);
      },
    );

    function said(pod: Pod | undefined): string {
      const checks = (pod?.status.initContainerStatuses ?? []) as readonly Ended[];
      const ended = checks.flatMap(({ state, lastState }) => [state?.terminated, lastState?.terminated]);
      return ended
        .map((one) => one?.message ?? '')
        .join('\n')
        .trim();
    }

    it('is explained by dray doctor --kubernetes', () => {
      const wrong = diagnose().filter(({ state }) => state === 'wrong');
      const all = JSON.stringify(wrong);
      expect(all).toMatch(/dray-api/);
      expect(all).toContain('redis.invalid');
      expect(all).not.toContain('secret-word');
      for (const { advice } of wrong) expect(advice).toBeTruthy();
    });

    it('is explained too where a Secret was deleted since', { timeout: 3 * minutes }, async () => {
      await kubectl('delete', 'secret', 'elsewhere');
      const [before] = await pods('worker');
      await kubectl('delete', 'pod', before!.metadata.name, '--wait=false');
      await eventually(
        () => diagnose(),
        (findings) => findings.some(({ state, detail }) => state === 'wrong' && detail.includes('elsewhere')),
      );
    });

    function diagnose(): readonly Finding[] {
      const where = ['--kubernetes', '--release', 'dray', '--namespace', space.name];
      const { stdout, stderr } = spawnSync(process.execPath, [main, 'doctor', ...where, '--json'], {
        encoding: 'utf8',
      });
      if (stdout === '') throw new Error(stderr);
      return (JSON.parse(stdout) as { findings: Finding[] }).findings;
    }
  });
});
