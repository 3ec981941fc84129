/** Container jobs of several processes, run by podman. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ended, read, submit, type Job } from '../../support/api.js';
import { createDeployment, type TestDeployment } from '../../support/deployment.js';
import { eventually } from '../../support/eventually.js';
import { podman, testPodman } from '../../support/podman.js';
import type { TestProcess } from '../../support/server.js';
import { rabbitVhost, redisDatabase } from '../../support/services.js';

const containers = await testPodman();
const queue = containers && (await rabbitVhost());
const state = containers && (await redisDatabase());

describe.skipIf(!queue || !state)('container jobs of a deployment', () => {
  const rules = [
    '--containers',
    'podman',
    '--container-images',
    containers?.image ?? '',
    '--container-env',
    'SCRIPT',
    '--bucket-hosts',
    'minio',
  ];
  const args = containers?.args.length ? ['--container-args', containers.args.join(',')] : [];
  let deployment: TestDeployment;
  let api: TestProcess;
  let worker: TestProcess;
  let job: Job;

  beforeAll(async () => {
    deployment = await createDeployment({ queue: queue!.url, state: state!.url });
    await deployment.start('controller');
    api = await deployment.start('api', ...rules);
    worker = await deployment.start('worker', ...rules, ...args);
  });
  afterEach(async () => {
    const left = await containersOf(job);
    if (left.length > 0) await podman('rm', '--force', '--time=0', '--ignore', ...left);
  });
  afterAll(() => deployment.stop());

  const run = async (script: string): Promise<void> => {
    const input = {
      image: containers!.image,
      inputBucketUrl: 'http://minio/bucket',
      env: { SCRIPT: script },
    };
    job = await submit(api.url, 'container', input);
  };
  const containersOf = async ({ id }: Job): Promise<readonly string[]> => {
    const ids = await podman('ps', '-aq', '--no-trunc', '--filter', `label=dray.dev/job=${id}`);
    return ids.split(/\s+/).filter(Boolean);
  };

  it('go on with the same container at another worker when theirs is killed', async () => {
    await run('echo begun; while [ ! -e /tmp/end ]; do sleep 0.1; done; echo over');
    await eventually(
      () => read(api.url, job.id),
      ({ progress }) => progress?.message === 'running',
    );
    const [container] = await containersOf(job);
    await worker.kill();
    worker = await deployment.start('worker', ...rules, ...args);
    await eventually(
      () => read(api.url, job.id),
      ({ status, attempt }) => status === 'in-progress' && attempt === 2,
    );
    expect(await containersOf(job)).toEqual([container]);
    await podman('exec', container!, 'mkdir', '/tmp/end');
    const end = await ended(api.url, job.id);
    expect(end, JSON.stringify(end.error)).toMatchObject({
      status: 'completed',
      attempts: [{ outcome: 'expired' }, { outcome: 'completed' }],
      result: { files: [] },
    });
    const { log } = end.result as { log: { blob: string } };
    const text = await (await fetch(`${api.url}/v1/blobs/${log.blob}`)).text();
    expect(text).toMatch(/^begun\nover\n\[dray\] the files of the output bucket are not known: .*minio/);
  });

  it('are judged again by a worker that allows less than the API', async () => {
    await worker.stop();
    worker = await deployment.start('worker', ...rules, '--container-images', 'python');
    await run('echo never');
    expect(await ended(api.url, job.id)).toMatchObject({
      status: 'failed',
      attempts: [{ attempt: 1 }],
      error: { code: 'image-not-allowed' },
    });
    expect(await containersOf(job)).toEqual([]);
  });
});
