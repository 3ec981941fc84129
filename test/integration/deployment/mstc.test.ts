/** Messages of the MSTC clients at two APIs, a controller and a worker. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Job } from '../../support/api.js';
import { createDeployment, type TestDeployment } from '../../support/deployment.js';
import { eventually } from '../../support/eventually.js';
import { containerTask, Gates, literal, MessageClient } from '../../support/mstc.js';
import type { TestProcess } from '../../support/server.js';
import { rabbitVhost, redisDatabase } from '../../support/services.js';

const [queue, state] = [await rabbitVhost(), await redisDatabase()];

describe.skipIf(!queue || !state)('messages to several APIs', () => {
  const gates = new Gates();
  let deployment: TestDeployment;
  let apis: TestProcess[];
  let controller: TestProcess;
  let client: MessageClient;
  beforeAll(async () => {
    deployment = await createDeployment({ queue: queue!.url, state: state!.url }, gates.env);
    const tasks = ['--tasks', containerTask];
    apis = await Promise.all([deployment.start('api', ...tasks), deployment.start('api', ...tasks)]);
    controller = await deployment.start('controller', ...tasks);
    await deployment.start('worker', ...tasks);
    client = await MessageClient.open(queue!.url);
  });
  afterAll(async () => {
    await client.close();
    await deployment.stop();
    gates.remove();
  });

  const jobsNamed = async (prefix: string): Promise<Job[]> => {
    const { jobs } = (await (await fetch(`${apis[1]!.url}/v1/jobs?limit=1000`)).json()) as { jobs: Job[] };
    return jobs.filter(({ input }) => (input as { name: string }).name.startsWith(prefix));
  };
  const send = (jobName: string, rest: object = {}): void => {
    const { replyTo } = client;
    client.send({ ...literal, jobName, ...rest }, { replyTo, correlationId: jobName, messageId: jobName });
  };

  it('become one job and one reply each', async () => {
    for (let i = 0; i < 100; i += 1) send(`shared-${i}`);
    const replies = await client.came(100);
    expect(new Set(replies.map(({ jobName }) => jobName)).size).toBe(100);
    expect(replies.every(({ status }) => status === 'completed')).toBe(true);
    expect(await jobsNamed('shared-')).toHaveLength(100);
  });

  it('are answered although an API was killed that had taken some of them, and the controller', async () => {
    const before = client.replies.length;
    for (let i = 0; i < 20; i += 1) send(`killed-${i}`, { image: 'test/gate' });
    await eventually(
      () => jobsNamed('killed-'),
      (jobs) => jobs.length > 0,
    );
    await apis[0]!.kill();
    await eventually(
      () => jobsNamed('killed-'),
      (jobs) => jobs.length === 20,
    );
    await controller.kill();
    for (let i = 0; i < 20; i += 1) gates.open(`killed-${i}`);
    await deployment.start('controller', '--tasks', containerTask);
    await client.came(before + 20);
    const correlations = client.replies
      .slice(before)
      .map(({ properties }) => String(properties.correlationId));
    expect(new Set(correlations).size).toBe(20);
    expect(await jobsNamed('killed-')).toHaveLength(20);
  });
});
