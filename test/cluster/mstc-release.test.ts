/** MSTC's clients and a release by values-mstc.yaml: all that they know of it is a node's address. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeBucketImage, python, pythonIsReady } from '../support/bucket-image.js';
import { eventually } from '../support/eventually.js';
import { root } from '../support/sources.js';
import { image, nodeAddress } from './cluster.js';
import { JobHistory } from './job-history.js';
import { loadImage } from './load-image.js';
import { bucketsAt, type ClusterS3 } from './minio.js';
import { bucketImage, Correspondence, fetchesScript, putScript, untilOpen } from './mstc-cluster.js';
import { noChart } from './programs.js';
import { installRelease, type Release } from './release.js';

const minutes = 60_000;
const client = join(root, 'examples/mstc-client/mstc_client.py');

describe.skipIf(noChart !== undefined || !pythonIsReady())('a release for MSTC clients', () => {
  let release: Release;
  let jobs: JobHistory;
  let s3: ClusterS3;
  let amqp: string;
  let letters: Correspondence;

  beforeAll(async () => {
    if (process.env['DRAY_TEST_BUCKET_IMAGE'] === undefined)
      await loadImage((folder) => makeBucketImage(folder, bucketImage));
    // Ports that nobody else in the cluster has.
    const service = { nodePort: null };
    release = await installRelease({
      files: ['values-mstc.yaml'],
      values: {
        api: { service },
        rabbitmq: { service },
        s3: { service },
        options: { containerCpus: 0.1, containerMemory: '128m' },
        containers: { images: [image, bucketImage] },
      },
    });
    const node = await nodeAddress(release.space.api);
    s3 = bucketsAt({
      endpoint: `http://${node}:${await port('s3')}`,
      accessKey: await secret('s3', 'AWS_ACCESS_KEY_ID'),
      secretKey: await secret('s3', 'AWS_SECRET_ACCESS_KEY'),
    });
    await s3.makeBucket('scripts');
    // Containers get all that is in it.
    const patch = JSON.stringify({ stringData: { SCRIPT: fetchesScript } });
    await release.kubectl(['patch', 'secret', `${release.fullname}-s3`, '--patch', patch]);
    const { host, port: nodePort } = new URL(s3.endpoint);
    // For the bucket host at its own port the release has its own keys, and so lists what containers leave there.
    await release.upgrade({
      containers: { bucketHosts: [host] },
      s3: { service: { nodePort: Number(nodePort) } },
    });
    // Until the last one is gone that knows another list of hosts, and takes messages too.
    const apis = ['get', 'pods', '--selector', 'app.kubernetes.io/component=api', '--output', 'name'];
    await eventually(
      () => release.kubectl(apis),
      (names) => names.trim().split('\n').length === 1,
    );
    const address = new URL(await secret('rabbitmq', 'address'));
    address.host = `${node}:${await port('rabbitmq')}`;
    amqp = address.href;
    jobs = await JobHistory.begin(release.space.api);
    letters = await Correspondence.open(amqp);
  }, 8 * minutes);
  afterAll(async () => {
    await letters.close();
    s3.close();
    await release.cleanup();
  }, 2 * minutes);

  async function port(server: string): Promise<string> {
    const name = `service/${release.fullname}-${server}`;
    return release.kubectl(['get', name, '--output', 'jsonpath={.spec.ports[0].nodePort}']);
  }

  async function secret(server: string, key: string): Promise<string> {
    const name = `secret/${release.fullname}-${server}`;
    const value = await release.kubectl(['get', name, '--output', `jsonpath={.data.${key}}`]);
    return Buffer.from(value, 'base64').toString();
  }

  it('works on a folder that a client uploads, and lets it download what comes of it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'dray-mstc-release-'));
    const [data, output] = [join(folder, 'data'), join(folder, 'output')];
    await mkdir(data);
    await writeFile(join(data, 'numbers.csv'), 'a,b\n1,2\n3,6\n');
    const args = [client, data, output, '--image', bucketImage, '--name', 'numbers', '--bucket', 'data'];
    const where = ['--output-bucket', 'found', '--time-out', '3', '--amqp', amqp, '--s3', s3.endpoint];
    const keys = { AWS_ACCESS_KEY_ID: s3.accessKey, AWS_SECRET_ACCESS_KEY: s3.secretKey };
    const { stdout } = await promisify(execFile)(python, [...args, ...where], {
      env: { ...process.env, ...keys },
    });
    expect(JSON.parse(stdout)).toMatchObject({ jobName: 'numbers', status: 'completed' });
    expect((await readdir(join(output, 'results'))).sort()).toEqual(['numbers.csv.json', 'summary.json']);
    expect(await jobs.named('numbers')).toHaveLength(1);
    await rm(folder, { recursive: true });
  });

  it('answers over HTTP, without a key', async () => {
    const { name, inputBucketUrl } = await putScript(s3, 'over-http', 'echo printed');
    const response = await fetch(`${release.url}/processRequest`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ image, jobName: name, inputBucketUrl }),
    });
    expect(await response.json()).toMatchObject({ jobName: name, status: 'completed', output: 'printed\n' });
  });

  it.each([
    ['told to stop', []],
    ['killed', ['--grace-period=0', '--force']],
  ])('gives one reply of one Job whose worker is %s in its middle', async (way, how) => {
    const name = `worker-${way.replaceAll(' ', '-')}`;
    const script = await putScript(s3, name, `echo begun; ${untilOpen}; echo over`);
    const reply = letters.send(script);
    const [seen] = await jobs.named(name);
    const job = () => release.client().get(seen!.jobId);
    await eventually(job, ({ progress }) => progress?.message === 'running');
    const before = await release.pods('worker');
    await release.kubectl(['delete', ...before.map((pod) => `pod/${pod.metadata.name}`), ...how]);
    await eventually(
      job,
      ({ status, progress, worker }) =>
        status === 'in-progress' &&
        progress?.message === 'running' &&
        before.every((pod) => worker?.startsWith(pod.metadata.name) === false),
    );
    await script.open();
    expect(await reply).toMatchObject({ status: 'completed', output: 'begun\nover\n' });
    expect(await jobs.named(name)).toHaveLength(1);
    expect(letters.repliesTo(name)).toEqual({ own: 1, all: 1 });
    // A pod that is deleted by force is told to stop all the same, and may still hand back what it has.
    expect((await job()).attempt).toBeLessThanOrEqual(way === 'killed' ? 2 : 1);
  });
});
