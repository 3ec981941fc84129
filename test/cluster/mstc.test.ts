/** MSTC's clients on a real cluster: message, Job, reply, and what may go wrong between them. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.js';
import { ending } from '../../src/tasks/container/kubernetes/objects.js';
import { act, read, type Job } from '../support/api.js';
import { python, pythonIsReady } from '../support/bucket-image.js';
import { eventually } from '../support/eventually.js';
import { startServer, type TestProcess } from '../support/server.js';
import { rabbitVhost, redisDatabase } from '../support/services.js';
import { root } from '../support/sources.js';
import { absentImage, image, noCluster } from './cluster.js';
import type { SeenJob } from './job-history.js';
import { bucketImage, Correspondence, MstcCluster, untilOpen, type MstcReply } from './mstc-cluster.js';

const [queue, other, state] = noCluster
  ? []
  : await Promise.all([rabbitVhost(), rabbitVhost(), redisDatabase()]);
const client = join(root, 'examples/mstc-client');
const minutes = 60_000;

describe.skipIf(!queue || !other || !state || !pythonIsReady())('MSTC clients on a real cluster', () => {
  let cluster: MstcCluster;
  let api: TestProcess;
  let worker: TestProcess;
  let letters: Correspondence;

  beforeAll(async () => {
    cluster = await MstcCluster.open({ queue: queue!.url, state: state!.url });
    await cluster.deployment.start('controller');
    api = await cluster.deployment.start('api');
    worker = await cluster.deployment.start('worker');
    letters = await Correspondence.open(queue!.url);
  }, 5 * minutes);
  afterAll(async () => {
    await letters.close();
    await cluster.close();
  });

  const jobOf = ({ jobId }: SeenJob): Promise<Job> => read(api.url, jobId);
  const running = async (name: string): Promise<SeenJob> => {
    const [seen] = await cluster.jobs.named(name);
    await eventually(
      () => jobOf(seen!),
      ({ progress }) => progress?.message === 'running',
    );
    return seen!;
  };
  const over = ({ last }: SeenJob): boolean => ending(last) !== undefined;
  const ended = async (name: string): Promise<SeenJob> => {
    const [seen] = await eventually(
      () => cluster.jobs.named(name),
      ([first]) => over(first!),
    );
    return seen!;
  };

  it('upload a folder, have it worked on, and download what comes of it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'dray-mstc-client-'));
    const [data, output] = [join(folder, 'data'), join(folder, 'output')];
    await mkdir(data);
    await writeFile(join(data, 'numbers.csv'), 'a,b\n1,2\n3,6\n');
    const { endpoint, accessKey, secretKey } = cluster.s3;
    const args = [
      join(client, 'mstc_client.py'),
      ...[data, output, '--image', bucketImage, '--name', 'Ünsere Zahlen'],
      ...['--bucket', 'data', '--output-bucket', 'found', '--time-out', '3'],
      ...['--amqp', queue!.url, '--s3', endpoint],
    ];
    const env = { ...process.env, AWS_ACCESS_KEY_ID: accessKey, AWS_SECRET_ACCESS_KEY: secretKey };
    const { stdout } = await promisify(execFile)(python, args, { env });
    const reply = JSON.parse(stdout) as MstcReply;
    expect(reply).toMatchObject({
      jobName: 'Ünsere Zahlen',
      status: 'completed',
      output: expect.stringContaining('done: 1 files, 1 of them CSV, 2 rows') as string,
      outputBucketUrl: `${endpoint}/found`,
    });
    expect(reply.duration).toBeGreaterThan(0);
    for (const { key, size } of reply.files) {
      expect(await readFile(join(output, key))).toHaveLength(size);
    }
    expect(reply.files.map(({ key }) => key)).toEqual(['results/numbers.csv.json', 'results/summary.json']);
    await rm(folder, { recursive: true });

    const jobs = await cluster.jobs.named('Ünsere Zahlen');
    expect(jobs).toHaveLength(1);
    const { jobId, made } = jobs[0]!;
    const labels = { 'dray.dev/job': jobId, 'app.kubernetes.io/managed-by': 'dray' };
    const resources = { cpu: '100m', memory: String(128 * 1024 ** 2) };
    expect(made).toMatchObject({
      metadata: { name: `unsere-zahlen-${jobId}`, labels },
      spec: {
        backoffLimit: 0,
        ttlSecondsAfterFinished: 24 * 3_600,
        template: {
          metadata: { labels },
          spec: {
            restartPolicy: 'Never',
            activeDeadlineSeconds: 180,
            automountServiceAccountToken: false,
            securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
            containers: [
              {
                image: bucketImage,
                imagePullPolicy: 'IfNotPresent',
                env: expect.arrayContaining([
                  { name: 'INPUT_BUCKET_URL', value: `${endpoint}/data` },
                  { name: 'OUTPUT_BUCKET_URL', value: `${endpoint}/found` },
                ]) as unknown,
                resources: { limits: resources, requests: resources },
                securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
              },
            ],
          },
        },
      },
    });
  });

  // What waits most comes together: an image counts as one that cannot be had after two minutes.
  it.concurrent('pass the tests of the example of one', { timeout: 10 * minutes }, async ({ expect }) => {
    const { endpoint, accessKey, secretKey } = cluster.s3;
    const env = {
      ...process.env,
      MSTC_TEST_AMQP: queue!.url,
      MSTC_TEST_S3: endpoint.replace('://', `://${accessKey}:${secretKey}@`),
      MSTC_TEST_IMAGE: bucketImage,
    };
    const run = promisify(execFile)(python, ['-B', '-m', 'pytest', '-q', '-p', 'no:cacheprovider', client], {
      env,
    });
    const { stdout } = await run.catch((error: unknown) => {
      throw new Error((error as { stdout: string }).stdout);
    });
    expect(stdout.trim().split('\n').at(-1)).toMatch(/^\d+ passed in/);
  });

  it.concurrent('are answered over HTTP when the container has ended', async ({ expect }) => {
    const { name, inputBucketUrl } = await cluster.script(
      'over-http',
      'echo printed; sleep 1; echo and more >&2',
    );
    const response = await fetch(`${api.url}/processRequest`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ image, jobName: name, inputBucketUrl }),
    });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      jobName: name,
      status: 'completed',
      output: 'printed\nand more\n',
      outputBucketUrl: inputBucketUrl,
      files: [{ key: 'over-http/script' }],
    });
  });

  describe.concurrent('whose container', () => {
    it('fails are told its exit code and what it printed', async ({ expect }) => {
      const script = await cluster.script('fails', 'echo halfway; exit 7');
      expect(await letters.send(script)).toMatchObject({
        status: 'failed',
        code: 'container-failed',
        error: expect.stringContaining('exit code 7') as string,
        output: 'halfway\n',
      });
    });

    it('takes longer than it may are told so', async ({ expect }) => {
      const script = await cluster.script('takes-long', `echo begun; ${untilOpen}`);
      const reply = await letters.send(script, { timeOut: 0.15 });
      expect(reply).toMatchObject({ status: 'failed', code: 'container-deadline', output: 'begun\n' });
      expect(reply.duration).toBeLessThan(30_000);
      const [seen] = await cluster.jobs.named(script.name);
      expect(seen!.made).toMatchObject({ spec: { template: { spec: { activeDeadlineSeconds: 9 } } } });
    });

    it('takes more memory than it may are told so', async ({ expect }) => {
      const script = await cluster.script('eats', 'echo eating; x=a; while :; do x="$x$x"; done');
      expect(await letters.send(script)).toMatchObject({
        status: 'failed',
        code: 'container-out-of-memory',
        output: 'eating\n',
      });
    });

    it(
      'has an image that cannot be pulled are told so, after a while',
      { timeout: 4 * minutes },
      async ({ expect }) => {
        const script = await cluster.script('absent', 'echo never');
        expect(await letters.send(script, { image: absentImage })).toMatchObject({
          status: 'failed',
          code: 'container-image',
          error: expect.stringContaining(absentImage) as string,
          output: '',
        });
      },
    );

    it('is cancelled are told so, and it is gone', async ({ expect }) => {
      const script = await cluster.script('cancelled', `echo begun; ${untilOpen}`);
      const reply = letters.send(script);
      const { jobId } = await running(script.name);
      expect((await act(api.url, jobId, 'cancel')).ok).toBe(true);
      expect(await reply).toMatchObject({ status: 'cancelled', code: 'cancelled' });
      const [seen] = await eventually(
        () => cluster.jobs.named(script.name),
        ([job]) => job!.goneAt !== undefined,
      );
      expect(over(seen!)).toBe(false);
      await eventually(
        () => cluster.space.pods(jobId),
        ({ length }) => length === 0,
      );
    });

    it('is on a node that is drained get what another one makes of it', async ({ expect }) => {
      const script = await cluster.script('drained', `echo begun; ${untilOpen}; echo over`);
      const reply = letters.send(script);
      const first = await running(script.name);
      const { api } = cluster.space;
      const [pod] = await cluster.space.pods(first.jobId);
      const { name } = pod!.metadata;
      await api.create(`${api.pods(name)}/eviction`, {
        apiVersion: 'policy/v1',
        kind: 'Eviction',
        metadata: { name },
      });
      const [, second] = await eventually(
        () => cluster.jobs.named(script.name),
        (jobs) => jobs.length === 2,
      );
      await script.open();
      expect(await reply).toMatchObject({ status: 'completed', output: 'begun\nover\n' });
      const jobs = await cluster.jobs.named(script.name);
      expect(jobs).toHaveLength(2);
      expect(jobs[0]!.goneAt).toBeLessThanOrEqual(systemClock.now());
      expect(await jobOf(second!)).toMatchObject({
        status: 'completed',
        attempts: [{ outcome: 'failed' }, { outcome: 'completed' }],
      });
    });
  });

  it('get one reply of one Job although the worker is killed in its middle', async () => {
    const script = await cluster.script('killed', `echo begun; ${untilOpen}; echo over`);
    const reply = letters.send(script);
    const seen = await running(script.name);
    await worker.kill();
    worker = await cluster.deployment.start('worker');
    await eventually(
      () => jobOf(seen),
      ({ status, attempt, progress }) =>
        status === 'in-progress' && attempt === 2 && progress?.message === 'running',
    );
    await script.open();
    expect(await reply).toMatchObject({ status: 'completed', output: 'begun\nover\n' });
    expect(await cluster.jobs.named(script.name)).toHaveLength(1);
  });

  it('get the reply of a container that has ended longer ago than it is kept, while no worker was there', async () => {
    const script = await cluster.script('waited-for', `echo begun; ${untilOpen}; echo over; exit 5`);
    const reply = letters.send(script);
    const seen = await running(script.name);
    await worker.kill();
    await script.open();
    await ended(script.name);
    await systemClock.sleep(40_000);
    expect((await ended(script.name)).goneAt).toBeUndefined();
    expect(letters.repliesTo(script.name)).toEqual({ own: 0, all: 0 });
    worker = await cluster.deployment.start('worker');
    expect(await reply).toMatchObject({
      status: 'failed',
      code: 'container-failed',
      error: expect.stringContaining('exit code 5') as string,
      output: 'begun\nover\n',
    });
    expect(await cluster.jobs.named(script.name)).toHaveLength(1);
    expect(await jobOf(seen)).toMatchObject({ status: 'failed', attempt: 2 });
  });

  it('get one reply of one Job each although workers are killed again and again', async () => {
    const names = Array.from({ length: 12 }, (_, index) => `shaken-${index}`);
    const scripts = await Promise.all(
      names.map((name, index) => cluster.script(name, `echo begun; sleep ${1 + (index % 6)}; echo ${name}`)),
    );
    const replies = Promise.all(scripts.map((script) => letters.send(script)));
    for (const pauseMs of [1_500, 3_500, 2_500]) {
      await systemClock.sleep(pauseMs);
      await worker.kill();
      worker = await cluster.deployment.start('worker');
    }
    expect((await replies).map(({ status, output }) => ({ status, output }))).toEqual(
      names.map((name) => ({ status: 'completed', output: `begun\n${name}\n` })),
    );
    for (const name of names) expect(await cluster.jobs.named(name), name).toHaveLength(1);
  });

  it('get fifty replies of fifty containers', { timeout: 5 * minutes }, async () => {
    const names = Array.from({ length: 50 }, (_, index) => `of-fifty-${index}`);
    const scripts = await Promise.all(names.map((name) => cluster.script(name, `echo this is ${name}`)));
    const replies = await Promise.all(scripts.map((script) => letters.send(script)));
    expect(replies.map(({ jobName, status, output }) => ({ jobName, status, output }))).toEqual(
      names.map((name) => ({ jobName: name, status: 'completed', output: `this is ${name}\n` })),
    );
    const jobs = await Promise.all(names.map((name) => cluster.jobs.named(name)));
    expect(jobs.map(({ length }) => length)).toEqual(names.map(() => 1));
  });

  it('are served by one process too, which is killed and started again', async () => {
    const data = await mkdtemp(join(tmpdir(), 'dray-mstc-serve-'));
    const options = { data, env: cluster.env, args: ['--mstc-amqp', other!.url] };
    const server = await startServer(options);
    const others = await Correspondence.open(other!.url);
    const script = await cluster.script('served', `echo begun; ${untilOpen}; echo over`);
    const reply = others.send(script);
    const [seen] = await cluster.jobs.named(script.name);
    await eventually(
      () => read(server.url, seen!.jobId),
      ({ progress }) => progress?.message === 'running',
    );
    await server.kill();
    await script.open();
    const again = await startServer(options);
    expect(await reply).toMatchObject({ status: 'completed', output: 'begun\nover\n' });
    expect(await cluster.jobs.named(script.name)).toHaveLength(1);
    await eventually(
      () => cluster.jobs.named(script.name),
      ([job]) => job!.goneAt !== undefined,
    );
    expect(others.repliesTo(script.name)).toEqual({ own: 1, all: 1 });
    await again.stop();
    await others.close();
    await rm(data, { recursive: true, force: true });
  });

  it('leave no Job behind half a minute after its end, and have one reply each', async () => {
    const jobs = await eventually(
      () => cluster.jobs.all,
      (all) => all.every(({ goneAt }) => goneAt !== undefined),
    );
    // Those that another attempt had to replace were removed at once.
    const latest = new Map(jobs.map((job) => [job.jobId, job]));
    for (const { made, last, goneAt } of [...latest.values()].filter(over)) {
      const end = ending(last);
      const keptMs = goneAt! - Date.parse(end!.lastTransitionTime!);
      expect(last.spec.ttlSecondsAfterFinished, made.metadata.name).toBe(30);
      expect(keptMs, made.metadata.name).toBeGreaterThan(28_000);
    }
    expect(letters.asked.length).toBeGreaterThan(50);
    for (const name of letters.asked) expect(letters.repliesTo(name), name).toEqual({ own: 1, all: 1 });
  });
});
