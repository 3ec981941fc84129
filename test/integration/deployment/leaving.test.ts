/** An API that is told to stop, as in each rolling upgrade: clients that keep their connections are not cut off. */
import { Agent, get, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { submit } from '../../support/api.js';
import { createDeployment, type TestDeployment } from '../../support/deployment.js';
import { rabbitVhost, redisDatabase } from '../../support/services.js';

const [queue, state] = await Promise.all([rabbitVhost(), redisDatabase()]);

describe.skipIf(!queue || !state)('an API that stops', () => {
  let deployment: TestDeployment;
  beforeAll(async () => {
    deployment = await createDeployment({ queue: queue!.url, state: state!.url });
  });
  afterAll(() => deployment.stop());

  async function ask(url: string, agent: Agent): Promise<IncomingMessage> {
    const request = get(url, { agent });
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    await text(response);
    return response;
  }

  it('answers whoever keeps a connection, and ends it with the answer', async () => {
    const api = await deployment.start('api');
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    await ask(`${api.url}/v1/queues`, agent);
    const stopped = api.stop();
    for (;;) {
      const { statusCode, headers } = await ask(`${api.url}/v1/queues`, agent);
      expect(statusCode).toBe(200);
      if (headers.connection === 'close') break;
    }
    agent.destroy();
    await stopped;
  });

  it('answers whoever waits for a job, and ends the connection with the answer', async () => {
    const api = await deployment.start('api');
    const { id } = await submit(api.url, 'sleep', { seconds: 0 });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const waiting = ask(`${api.url}/v1/jobs/${id}?wait=30s`, agent);
    const stopped = api.stop();
    const { statusCode, headers } = await waiting;
    expect({ statusCode, connection: headers.connection }).toEqual({ statusCode: 200, connection: 'close' });
    agent.destroy();
    await stopped;
  });
});
