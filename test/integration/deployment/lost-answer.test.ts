/** Redis stores a job, and its answer never comes: the client is told to come back, and finds the job whole. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Job } from '../../support/api.js';
import { createDeployment, type TestDeployment } from '../../support/deployment.js';
import { rabbitVhost, redisDatabase } from '../../support/services.js';

const [queue, state] = await Promise.all([rabbitVhost(), redisDatabase()]);

/** So large that it becomes a blob. */
const input = { text: 'x'.repeat(50_000) };

describe.skipIf(!queue || !state)('a submit whose answer is lost', () => {
  let deployment: TestDeployment;
  let proxy: Server;
  /** What is in the command after whose arrival the connection is cut. */
  let cutAfter: string | undefined;

  beforeAll(async () => {
    const { port } = new URL(state!.url);
    proxy = createServer((client) => {
      const redis = connect(Number(port), '127.0.0.1');
      const end = (): void => void [client, redis].map((socket) => socket.destroy());
      for (const socket of [client, redis]) socket.on('error', end).on('close', end);
      let cut = false;
      client.on('data', (bytes: Buffer) => {
        redis.write(bytes);
        cut ||= cutAfter !== undefined && bytes.includes(cutAfter);
      });
      redis.on('data', (bytes: Buffer) => {
        if (!cut) client.write(bytes);
        else end(); // Redis has answered, so it has carried the command out
      });
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const address = Object.assign(new URL(state!.url), {
      port: String((proxy.address() as AddressInfo).port),
    });
    deployment = await createDeployment({ queue: queue!.url, state: address.href });
  });

  afterAll(async () => {
    await deployment.stop();
    proxy.close();
  });

  it('keeps the blobs of its job, which a repeated request gets', async () => {
    const { url } = await deployment.start('api');
    const submit = (key: string) =>
      fetch(`${url}/v1/jobs`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': key },
        body: JSON.stringify({ type: 'echo', input }),
      });
    // From now on Redis knows the script.
    expect((await submit('first')).status).toBe(202);
    cutAfter = '"mostUnsent"';
    expect((await submit('whole')).status).toBe(503);
    cutAfter = undefined;
    let answer = await submit('whole');
    for (; answer.status === 503; answer = await submit('whole'));
    expect(answer.headers.get('idempotency-replayed')).toBe('true');
    const { inputBlob } = (await answer.json()) as Job;
    const blob = await fetch(`${url}/v1/blobs/${inputBlob!}`);
    expect(blob.status).toBe(200);
    expect(await blob.json()).toEqual(input);
  });
});
