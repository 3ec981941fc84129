/**
 * examples/mstc-client and examples/bucket-image by their own tests, against a server that runs the image by podman.
 *
 *     DRAY_TEST_BUCKET_IMAGE=…     an image of examples/bucket-image that podman has, instead of one that is made here
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.js';
import { makeBucketImage, python, pythonIsReady } from '../support/bucket-image.js';
import { podman, testPodman } from '../support/podman.js';
import { startServer, type TestServer } from '../support/server.js';
import { rabbitVhost, s3Bucket } from '../support/services.js';
import { root } from '../support/sources.js';

const ready = pythonIsReady();
const containers = ready ? await testPodman() : undefined;
const [s3, queue] = containers ? await Promise.all([s3Bucket(), rabbitVhost()]) : [];

/** Runs the tests of an example, whose failure fails the test. @returns what pytest says at the end. */
async function pytest(example: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
  const args = ['-B', '-m', 'pytest', '-q', '-p', 'no:cacheprovider', join(root, 'examples', example)];
  const run = promisify(execFile)(python, args, { env: { ...process.env, ...env } });
  const { stdout } = await run.catch((error: unknown) => {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    throw new Error(stdout + stderr);
  });
  return stdout.trim().split('\n').at(-1)!;
}

describe.skipIf(!ready)('the analysis in the example of an image', () => {
  it('passes its own tests', async () => {
    expect(await pytest('bucket-image')).toMatch(/^\d+ passed in/);
  });
});

describe.skipIf(!s3 || !queue)('the examples of container jobs', () => {
  const given = process.env['DRAY_TEST_BUCKET_IMAGE'];
  const image = given ?? `localhost/dray-bucket-image:${systemClock.token().slice(0, 12).toLowerCase()}`;
  let folder: string;
  let server: TestServer;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'dray-mstc-example-'));
    if (given === undefined) {
      await podman('load', '--quiet', '--input', await makeBucketImage(folder, image));
      await rm(join(folder, 'root'), { recursive: true });
    }
    const { endpoint, accessKey, secretKey } = s3!;
    const { host } = new URL(endpoint);
    const credentials = join(folder, 'credentials.json');
    await writeFile(credentials, JSON.stringify({ [host]: { accessKey, secretKey } }));
    const variables = join(folder, 'variables');
    await writeFile(variables, `AWS_ACCESS_KEY_ID=${accessKey}\nAWS_SECRET_ACCESS_KEY=${secretKey}\n`);
    // The S3 server listens on this machine's loopback; and the image's README says that its root may be read-only.
    const runArgs = new Set([...containers!.args, '--network=host', '--read-only']);
    server = await startServer({
      args: [
        ['--containers', containers!.program],
        ['--container-images', image],
        ['--container-args', [...runArgs].join(',')],
        ['--container-env-file', variables],
        ['--container-memory', '128m'],
        ['--bucket-hosts', host],
        ['--bucket-credentials', credentials],
        ['--mstc-amqp', queue!.url],
      ].flat(),
    });
  }, 180_000);
  afterAll(async () => {
    await server.stop();
    const left = (await podman('ps', '-aq', '--no-trunc', `--filter=ancestor=${image}`)).trim();
    if (left !== '') await podman('rm', '--force', '--time=0', '--ignore', ...left.split(/\s+/));
    if (given === undefined) await podman('rmi', '--force', image);
    await rm(folder, { recursive: true, force: true });
  }, 120_000);

  it('carry files to a container, and its results and replies back', async () => {
    const { endpoint, accessKey, secretKey } = s3!;
    const summary = await pytest('mstc-client', {
      MSTC_TEST_AMQP: queue!.url,
      MSTC_TEST_S3: endpoint.replace(
        '://',
        `://${encodeURIComponent(accessKey)}:${encodeURIComponent(secretKey)}@`,
      ),
      MSTC_TEST_IMAGE: image,
    }).catch((error: unknown) => {
      throw new Error(`${(error as Error).message}\nthe server:\n${server.output()}`);
    });
    expect(summary).toMatch(/^\d+ passed in/);
  }, 900_000);
});
