/** deploy/kubernetes as its README says, for those who have no helm; in another namespace, and with the tests' images. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root } from '../support/sources.js';
import { chartImages } from './chart-images.js';
import { testNamespace, type TestNamespace } from './cluster.js';
import { noChart, run } from './programs.js';
import { untilReady } from './readiness.js';

const minutes = 60_000;
const folder = join(root, 'deploy/kubernetes');

describe.skipIf(noChart !== undefined)('the plain manifests', () => {
  let space: TestNamespace;
  const kubectl = (args: readonly string[], input?: string) =>
    run('kubectl', ['--namespace', space.name, ...args], { input });

  /** Each object says its namespace, which for one of them is another's. */
  const apply = async () => run('kubectl', ['apply', '--filename', '-'], { input: await manifests() });

  beforeAll(async () => {
    space = await testNamespace();
  });
  afterAll(async () => {
    // What they have outside of the namespace has its name.
    await run('kubectl', ['delete', '--ignore-not-found', '--filename', '-'], { input: await manifests() });
    await kubectl(['delete', 'persistentvolumeclaims', '--all', '--wait=false']);
    await space.cleanup();
  }, 2 * minutes);

  /** In this namespace and of these images; without what a cluster has once, and may have of somebody else. */
  async function manifests(): Promise<string> {
    const { image, redis, rabbitmq, s3 } = await chartImages();
    const { DRAY_TEST_STORAGE_CLASS: storageClass } = process.env;
    const ours = (text: string): string =>
      text
        .replace(/(namespace: )dray( |,|$)/gm, `$1${space.name}$2`)
        .replaceAll('dray:dray-', `${space.name}:dray-`)
        .replace(/image: \S*dray-s3:\S+/g, (found) => (s3 ? `image: ${s3.image}` : found))
        .replace(/image: \S*\/redis:\S+/g, (found) => (redis ? `image: ${redis.image}` : found))
        .replace(/image: \S*\/rabbitmq:\S+/g, (found) => (rabbitmq ? `image: ${rabbitmq.image}` : found))
        .replace(/^( +)(accessModes:)/gm, storageClass ? `$1storageClassName: ${storageClass}\n$1$2` : '$&')
        .replace(/(requests: \{ storage: )\w+/g, '$11Gi')
        .replace(/image: (dray-\w+):\S+/g, `image: ${image.registry}/$1:${image.tag}`);
    return readdirSync(folder)
      .filter((name) => name.endsWith('.yaml'))
      .flatMap((name) => ours(readFileSync(join(folder, name), 'utf8')).split(/^---$/m))
      .filter((text) => !/^kind: (APIService|HorizontalPodAutoscaler)$/m.test(text))
      .join('\n---\n');
  }

  it('apply, and run a job', { timeout: 8 * minutes }, async () => {
    const secrets = await run(process.execPath, [join(root, 'scripts/kubernetes-secrets.mjs')]);
    await kubectl(['create', '--filename', '-'], secrets);
    await apply();
    await untilReady(space.api, 5 * minutes);
    const encoded = await kubectl(['get', 'secret', 'dray-api-key', '--output', 'jsonpath={.data.key}']);
    const key = Buffer.from(encoded, 'base64').toString();
    const job = ['submit', 'echo', '--input', '"by hand"', '--json'];
    const command = ['env', `DRAY_API_KEY=${key}`, 'node', 'dist/main.js', ...job];
    const answer = await kubectl(['exec', 'deployment/dray-api', '--', ...command]);
    expect(answer).toContain('by hand');
    expect(JSON.parse(answer)).toMatchObject({ status: 'completed' });
  });

  it('change nothing when they are applied again', async () => {
    // What kubectl says is no measure: it sends what the server has filled in by itself once more.
    const generations = () =>
      kubectl([
        'get',
        '--output',
        'jsonpath={range .items[*]}{.kind} {.metadata.name} {.metadata.generation}{"\\n"}{end}',
        'deployments,statefulsets,networkpolicies,poddisruptionbudgets',
      ]);
    const before = await generations();
    expect(before).toContain('Deployment dray-api ');
    await apply();
    expect(await generations()).toBe(before);
  });
});
