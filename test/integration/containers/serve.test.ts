/** Container jobs of a server, run by podman between buckets of a real S3 server. */
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { act, ended, read, submit, type Job } from '../../support/api.js';
import { eventually } from '../../support/eventually.js';
import { podman, testPodman } from '../../support/podman.js';
import { startServer, type TestServer } from '../../support/server.js';
import { s3Bucket } from '../../support/services.js';

const containers = await testPodman();
const s3 = containers && (await s3Bucket());

interface Result {
  readonly name: string;
  readonly log: { readonly blob: string };
}

describe('a server without container options', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer();
  });
  afterAll(() => server.stop());

  it('knows no container jobs', async () => {
    const response = await fetch(`${server.url}/v1/jobs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"type": "container", "input": {}}',
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: 'unknown-type' });
  });
});

describe.skipIf(s3 === undefined)('container jobs on one machine', () => {
  let folder: string;
  let bucket: string;
  let args: readonly string[];
  let server: TestServer;
  const start = async (): Promise<void> => {
    server = await startServer({ data: join(folder, 'data'), args });
  };

  beforeAll(async () => {
    const { endpoint, bucket: name, accessKey, secretKey } = s3!;
    const { host } = new URL(endpoint);
    bucket = `${endpoint}/${name}`;
    folder = await mkdtemp(join(tmpdir(), 'dray-containers-'));
    const credentials = join(folder, 'credentials.json');
    await writeFile(credentials, JSON.stringify({ [host]: { accessKey, secretKey } }));
    const variables = join(folder, 'variables');
    await writeFile(variables, 'FROM_OPERATOR=yes\n');
    args = [
      ['--containers', containers!.program],
      ['--container-images', containers!.image],
      ['--container-env', 'SCRIPT'],
      ['--bucket-hosts', host],
      ['--bucket-credentials', credentials],
      ['--container-env-file', variables],
      ['--container-memory', '64m'],
      ...(containers!.args.length > 0 ? [['--container-args', containers!.args.join(',')]] : []),
    ].flat();
    const client = new S3Client({
      endpoint,
      forcePathStyle: true,
      region: 'us-east-1',
      credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
    });
    await client.send(new PutObjectCommand({ Bucket: name, Key: 'out/result.txt', Body: 'four' }));
    client.destroy();
    await start();
  });
  afterEach(async () => {
    const left = (await Promise.all(submitted.splice(0).map(containersOf))).flat();
    if (left.length > 0) await podman('rm', '--force', '--time=0', '--ignore', ...left);
  });
  afterAll(async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const submitted: Job[] = [];
  const run = async (script: string, rest: object = {}): Promise<Job> => {
    const job = await submit(server.url, 'container', {
      image: containers!.image,
      inputBucketUrl: bucket,
      outputBucketUrl: `${bucket}/out`,
      env: { SCRIPT: script },
      ...rest,
    });
    submitted.push(job);
    return job;
  };
  const textOf = async (blob: string): Promise<string> =>
    (await fetch(`${server.url}/v1/blobs/${blob}`)).text();
  const containersOf = async ({ id }: Job): Promise<readonly string[]> => {
    const ids = await podman('ps', '-aq', '--no-trunc', '--filter', `label=dray.dev/job=${id}`);
    return ids.split(/\s+/).filter(Boolean);
  };
  const running = (job: Job): Promise<Job> =>
    eventually(
      () => read(server.url, job.id),
      ({ progress, status }) => status === 'in-progress' && progress?.message === 'running',
    );
  const gone = (job: Job): Promise<readonly string[]> =>
    eventually(
      () => containersOf(job),
      ({ length }) => length === 0,
    );

  it('tell what their container printed, how it ended, and what is in the bucket', async () => {
    const job = await ended(
      server.url,
      (
        await run('echo "$INPUT_BUCKET_URL $OUTPUT_BUCKET_URL $FROM_OPERATOR"; echo grün >&2', {
          name: 'Job 7',
        })
      ).id,
    );
    expect(job).toMatchObject({
      status: 'completed',
      result: {
        name: `job-7-${job.id}`,
        exitCode: 0,
        outputBucketUrl: `${bucket}/out`,
        files: [{ key: 'out/result.txt', size: 4 }],
      },
    });
    expect(await textOf((job.result as Result).log.blob)).toBe(`${bucket} ${bucket}/out yes\ngrün\n`);
  });

  it('fail for good where their container fails, with its log', async () => {
    const job = await ended(server.url, (await run('echo why; exit 3')).id);
    expect(job).toMatchObject({
      status: 'failed',
      attempts: [{ attempt: 1 }],
      error: { code: 'container-failed', details: { reason: 'exited', exitCode: 3 } },
    });
    const { log } = job.error!.details as unknown as Result;
    expect(await textOf(log.blob)).toBe('why\n');
  });

  it('run anew where they are re-driven', async () => {
    const printedBy = async (job: Job): Promise<string> => {
      expect(job).toMatchObject({ status: 'failed', error: { code: 'container-failed' } });
      return textOf((job.error!.details as unknown as Result).log.blob);
    };
    const job = await ended(server.url, (await run('cat /proc/sys/kernel/random/uuid; exit 1')).id);
    const printed = await printedBy(job);
    expect((await act(server.url, job.id, 'redrive')).ok).toBe(true);
    const again = await printedBy(await ended(server.url, job.id));
    expect(again).toHaveLength(printed.length);
    expect(again).not.toBe(printed);
  });

  it('go on with the same container when the server is killed and when it drains', async () => {
    const job = await run('echo begun; while [ ! -e /tmp/end ]; do sleep 0.1; done; echo over');
    await running(job);
    const [container] = await containersOf(job);
    const name = await readFile(join(folder, 'data', 'deployment'), 'utf8');
    const owner = await podman('inspect', '--format={{index .Config.Labels "dray.dev/owner"}}', container!);
    expect(owner.trim()).toBe(name.trim());
    await server.kill();
    await start();
    await running(job);
    process.kill(server.pid, 'SIGTERM'); // the job is handed back at once, and its container stays
    await server.exited;
    await start();
    await running(job);
    expect(await containersOf(job)).toEqual([container]);
    await podman('exec', container!, 'mkdir', '/tmp/end');
    const end = await ended(server.url, job.id);
    expect(end.status, JSON.stringify(end.error)).toBe('completed');
    expect(await textOf((end.result as Result).log.blob)).toBe('begun\nover\n');
  });

  it('leave no container when they are cancelled', async () => {
    const job = await run('echo begun; sleep 3600');
    await running(job);
    expect(await containersOf(job)).toHaveLength(1);
    await act(server.url, job.id, 'cancel');
    await gone(job);
  });

  it('leave no container when they were cancelled while the server was away', async () => {
    const job = await run('echo begun; sleep 3600');
    await running(job);
    await server.kill();
    server = await startServer({ data: join(folder, 'data'), args: args.slice(2) }); // runs no containers
    await act(server.url, job.id, 'cancel');
    expect(await containersOf(job)).toHaveLength(1);
    await server.stop();
    await start();
    await gone(job);
  });

  it.each([
    [{ image: 'docker.io/other/image' }, 'image-not-allowed', 'input.image'],
    [{ image: '--privileged' }, 'invalid-request', 'input.image'],
    [{ inputBucketUrl: 'http://169.254.169.254/bucket' }, 'bucket-not-allowed', 'input.inputBucketUrl'],
    [{ env: { LD_PRELOAD: 'x' } }, 'variable-not-allowed', 'input.env.LD_PRELOAD'],
    [{ outputBucketUrl: 'http://user:secret@x/bucket' }, 'invalid-request', 'input.outputBucketUrl'],
    [{ memory: 2 ** 50 }, 'limit-exceeded', 'input.memory'],
    [{ timeoutSeconds: 0 }, 'invalid-request', 'input.timeoutSeconds'],
    [{ extra: 1 }, 'invalid-request', 'input.extra'],
  ])('are refused before anything is queued: %o', async (wrong, code, field) => {
    const input = { image: containers!.image, inputBucketUrl: bucket, ...wrong };
    const response = await fetch(`${server.url}/v1/jobs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ type: 'container', input }),
    });
    const problem = await response.text();
    expect(response.status, problem).toBe(400);
    expect(JSON.parse(problem)).toMatchObject({ code, field });
    expect(problem).not.toContain('secret');
  });
});

describe('options of containers', () => {
  it.each([
    [['--container-images', '*'], /--container-images \(DRAY_CONTAINER_IMAGES\): "\*" is no pattern/],
    [['--container-env', 'A=b'], /--container-env \(DRAY_CONTAINER_ENV\): "A=b" is neither the name/],
    [['--bucket-hosts', 'http://minio'], /--bucket-hosts \(DRAY_BUCKET_HOSTS\): "http:\/\/minio" is neither/],
    [
      ['--bucket-credentials', 'no-such-file'],
      /--bucket-credentials .*no-such-file cannot be read \(ENOENT\)/,
    ],
    [['--container-cpus', '5'], /--container-cpus \(5\) is above --container-max-cpus \(4\)/],
  ])('keep a server from starting where they cannot be used: %o', async (wrong, message) => {
    const starting = startServer({ args: ['--containers', 'podman', ...wrong] });
    await expect(starting).rejects.toThrow(message);
  });
});
