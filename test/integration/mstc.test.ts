/** Messages of the MSTC clients when a process dies: `dray serve`, and RabbitMQ itself. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { methods, Proxy } from '../faults/deployment/proxy.js';
import { ended, type Job } from '../support/api.js';
import { eventually } from '../support/eventually.js';
import { containerTask, Gates, literal, MessageClient } from '../support/mstc.js';
import { OwnRabbit, rabbitIsHere } from '../support/rabbit.js';
import { startServer, type TestServer } from '../support/server.js';

describe.skipIf(!rabbitIsHere)('messages of container jobs', () => {
  const gates = new Gates();
  let rabbit: OwnRabbit;
  beforeAll(async () => {
    rabbit = await OwnRabbit.start();
  });
  afterAll(async () => {
    await rabbit.remove();
    gates.remove();
  });

  const start = async (url: string, data?: string): Promise<TestServer> => {
    const args = ['--tasks', containerTask, '--mstc-amqp', url];
    const server = await startServer({ args, env: gates.env, ...(data !== undefined && { data }) });
    onTestFinished(() => server.stop());
    return server;
  };
  const listed = async (server: TestServer): Promise<Job[]> =>
    ((await (await fetch(`${server.url}/v1/jobs?limit=1000`)).json()) as { jobs: Job[] }).jobs;

  it('become one job where the server is killed before it could acknowledge', async () => {
    const url = await rabbit.vhost();
    const data = await mkdtemp(join(tmpdir(), 'dray-mstc-'));
    onTestFinished(() => rm(data, { recursive: true, force: true }));
    const client = await MessageClient.open(url);
    const { port } = new URL(url);
    const proxy = await Proxy.start(Number(port));
    onTestFinished(() => proxy.close());
    const first = await start(url.replace(`:${port}`, `:${proxy.port}`), data);
    const cut = proxy.cutAt('dray container messages', methods.ack, { passes: false, withinMs: 30_000 });
    const { replyTo } = client;
    client.send({ ...literal, image: 'test/gate', jobName: 'killed' }, { replyTo, messageId: 'm-1' });
    expect(await cut).toBe(true);
    proxy.close();
    await first.kill();
    expect(
      await eventually(
        () => client.depth('mstc.work'),
        (depth) => depth === 1,
      ),
    ).toBe(1);

    const second = await start(url, data);
    await eventually(
      () => client.depth('mstc.work'),
      (depth) => depth === 0,
    );
    expect(await listed(second)).toHaveLength(1);
    gates.open('killed');
    expect(await client.came(1)).toMatchObject([{ jobName: 'killed', status: 'completed' }]);
    await second.stop(); // what it had not acknowledged would be back by now
    expect(await client.depth('mstc.work')).toBe(0);
    expect(client.replies).toHaveLength(1);
    await client.close();
  });

  it('are taken and answered again after RabbitMQ was killed', async () => {
    const url = await rabbit.vhost();
    const server = await start(url);
    const maker = await MessageClient.open(url);
    await maker.channel.assertQueue('answers', { durable: true });
    // RabbitMQ 3.10 can lose a queue that was made in the second before the kill.
    await rabbit.control('stop_app');
    await rabbit.control('start_app');
    const before = await MessageClient.open(url);
    for (const jobName of ['open', 'away']) {
      before.send(
        { ...literal, image: 'test/gate', jobName },
        { replyTo: 'answers', correlationId: jobName },
      );
    }
    const jobs = await eventually(
      () => listed(server),
      (all) => all.length === 2,
    );
    await rabbit.kill();
    for (const jobName of ['open', 'away']) gates.open(jobName);
    for (const { id } of jobs) expect(await ended(server.url, id)).toMatchObject({ status: 'completed' });

    await rabbit.restart();
    const after = await MessageClient.open(url);
    await after.listen('answers');
    await after.listen('mstc.results');
    await eventually(
      () =>
        new Set(
          after.replies.map(
            ({ properties, fields }) => `${fields.routingKey} ${String(properties.correlationId)}`,
          ),
        ).size,
      (different) => different === 4,
    );
    after.send({ ...literal, jobName: 'later' }, { replyTo: after.replyTo });
    await eventually(() => after.replies.some(({ fields }) => fields.routingKey === after.replyTo), Boolean);
    expect(await listed(server)).toHaveLength(3);
    await after.close();
  });
});
