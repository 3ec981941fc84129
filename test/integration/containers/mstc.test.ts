/** The MSTC door with real containers, run by podman: over HTTP, and over RabbitMQ where that is here. */
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { curlSending } from '../../support/callers.js';
import { MessageClient } from '../../support/mstc.js';
import { testPodman } from '../../support/podman.js';
import { startServer, type TestServer } from '../../support/server.js';
import { rabbitVhost } from '../../support/services.js';

const containers = await testPodman();
const queue = containers && (await rabbitVhost());

describe.skipIf(!containers)('containers of the MSTC door', () => {
  const folder = mkdtempSync(join(tmpdir(), 'dray-mstc-'));
  const refusing = createServer((_request, response) => response.writeHead(403).end());
  let buckets: string;
  let server: TestServer;
  beforeAll(async () => {
    await once(refusing.listen(0, '127.0.0.1'), 'listening');
    buckets = `http://localhost:${(refusing.address() as AddressInfo).port}`;
    const variables = join(folder, 'variables');
    writeFileSync(
      variables,
      'SCRIPT=echo "$INPUT_BUCKET_URL, $OUTPUT_BUCKET_URL"; case $INPUT_BUCKET_URL in *bad) exit 3;; esac\n',
    );
    server = await startServer({
      args: [
        ...['--containers', 'podman', '--container-images', containers!.image, '--bucket-hosts', 'localhost'],
        ...['--container-env-file', variables],
        ...(containers!.args.length > 0 ? ['--container-args', containers!.args.join(',')] : []),
        ...(queue ? ['--mstc-amqp', queue.url] : []),
      ],
    });
  });
  afterAll(async () => {
    await server.stop();
    refusing.close();
    rmSync(folder, { recursive: true });
  });

  const request = (jobName: string, bucket: string) => ({
    image: containers!.image,
    jobName,
    inputBucketUrl: `${buckets}/${bucket}`,
  });

  it('are answered over HTTP by what they printed', async () => {
    const body = JSON.stringify({
      ...request('Good Job', 'good'),
      outputBucketUrl: `${buckets}/results`,
    });
    const answer = await curlSending(body, '-d', '@-', `${server.url}/processRequest`);
    expect(answer.json()).toMatchObject({
      jobName: 'Good Job',
      status: 'completed',
      duration: expect.any(Number) as unknown,
      output: expect.stringContaining(`${buckets}/good, ${buckets}/results\n`) as unknown,
      outputBucketUrl: `${buckets}/results`,
      files: [],
      filesError: expect.stringContaining('could not be listed') as unknown,
    });
  });

  it('are told of with their log where they failed', async () => {
    const body = JSON.stringify(request('bad-job', 'is-bad'));
    const answer = await curlSending(body, '-d', '@-', `${server.url}/processRequest`);
    expect(answer.status).toBe(200);
    expect(answer.json()).toMatchObject({
      jobName: 'bad-job',
      status: 'failed',
      code: 'container-failed',
      error: expect.stringContaining('exit code 3') as unknown,
      output: expect.stringContaining(`${buckets}/is-bad, ${buckets}/is-bad\n`) as unknown,
    });
  });

  it.skipIf(!queue)('are answered over RabbitMQ', async () => {
    const client = await MessageClient.open(queue!.url);
    const { replyTo } = client;
    client.send(request('good', 'good'), { replyTo, correlationId: 'good' });
    client.send(request('bad', 'is-bad'), { replyTo, correlationId: 'bad' });
    const replies = await client.came(2);
    expect(replies).toContainEqual(expect.objectContaining({ jobName: 'good', status: 'completed' }));
    expect(replies).toContainEqual(
      expect.objectContaining({ jobName: 'bad', status: 'failed', code: 'container-failed' }),
    );
    await client.close();
  });
});
