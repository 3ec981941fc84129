/**
 * The MSTC cloud worker's clients over RabbitMQ. What runs is no container but a task of the tests that has the same
 * input and output (test/support/container-task.mjs): the door is about messages and replies.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Job } from '../support/api.js';
import { eventually } from '../support/eventually.js';
import { containerTask, Gates, literal, MessageClient } from '../support/mstc.js';
import { startServer, type TestServer } from '../support/server.js';
import { rabbitVhost } from '../support/services.js';

const queue = await rabbitVhost();
/** `node scripts/setup.mjs --python` makes the environment, with pika. */
const python = fileURLToPath(new URL('../../.venv/bin/python', import.meta.url));
const pikaIsHere = await promisify(execFile)(python, ['-c', 'import pika']).then(
  () => true,
  () => false,
);

describe.skipIf(!queue)('the MSTC door on RabbitMQ', () => {
  const gates = new Gates();
  let url: string;
  let server: TestServer;
  let H: string;
  beforeAll(async () => {
    url = queue!.url;
    server = await startServer({ args: ['--tasks', containerTask, '--mstc-amqp', url], env: gates.env });
    H = server.url;
  });
  afterAll(async () => {
    await server.stop();
    gates.remove();
  });

  const client = async (): Promise<MessageClient> => {
    const opened = await MessageClient.open(url);
    onTestFinished(() => opened.close());
    return opened;
  };
  const named = async (name: string): Promise<Job[]> => {
    const answer = await fetch(`${H}/v1/jobs?type=container&limit=1000`);
    const { jobs } = (await answer.json()) as { jobs: Job[] };
    return jobs.filter(({ input }) => (input as { name: string }).name === name);
  };

  it('answers to reply_to, and to the queue of all results', async () => {
    const [asking, all] = [await client(), await client()];
    await all.channel.assertQueue('mstc.results', { durable: true });
    await all.listen('mstc.results');
    asking.send(literal, { replyTo: asking.replyTo, correlationId: 'c-1' });
    const [reply] = await asking.came(1);
    const [result] = await all.came(1);
    expect(reply).toEqual({
      jobName: 'test-job',
      status: 'completed',
      duration: 1_234,
      output: 'test-job ran for 900 s at most, attempt 1\n',
      outputBucketUrl: 'http://hostname:9000/bucket',
      files: [{ key: 'result.txt', size: 7 }],
    });
    expect(result).toEqual(reply);
    const [job] = await named('test-job');
    for (const { properties } of [asking.replies[0]!, all.replies[0]!]) {
      expect(properties).toMatchObject({
        correlationId: 'c-1',
        messageId: job!.id,
        contentType: 'application/json',
        deliveryMode: 2,
      });
    }
  });

  it.each<[title: string, body: string, field: string | undefined, reason: RegExp, jobName?: string]>([
    ['text that is not JSON', 'image=x', undefined, /byte 0/],
    ['nothing', '', undefined, /the body is empty/],
    ['no object', '[]', 'body', /must be a JSON object/],
    ['no image', '{"jobName": "a", "inputBucketUrl": "b"}', 'image', /^image: missing/, 'a'],
    ['no bucket', '{"jobName": "a", "image": "b"}', 'inputBucketUrl', /^inputBucketUrl: missing/, 'a'],
    ['a wrong timeOut', JSON.stringify({ ...literal, timeOut: -1 }), 'timeOut', /^timeOut: /, 'test-job'],
    [
      'an image that may not run',
      JSON.stringify({ ...literal, image: 'forbidden' }),
      'image',
      /^image: is not allowed/,
      'test-job',
    ],
    ['more than 1 MiB', `"${'x'.repeat(1_048_576)}"`, undefined, /limit of 1048576/],
  ])(
    'refuses a message with %s: a reply, and a dead letter with the reason',
    async (_title, body, field, reason, jobName) => {
      const asking = await client();
      asking.send(body, {
        replyTo: asking.replyTo,
        correlationId: 'c-2',
        messageId: 'm-2',
        headers: {
          team: 'red',
          odd: { '!': 'decimal', value: { places: 1, digits: 5 } },
          least: { '!': 'double', value: -1e300 },
        },
      });
      const [reply] = await asking.came(1);
      expect(reply).toEqual({
        ...(jobName !== undefined && { jobName }),
        status: 'failed',
        duration: 0,
        output: '',
        files: [],
        code: 'refused',
        error: expect.stringMatching(reason) as unknown,
        ...(field !== undefined && { field }),
      });
      expect(asking.replies[0]!.properties.correlationId).toBe('c-2');
      const { content, properties } = (await eventually(() => asking.get('mstc.work.dead'), Boolean))!;
      // What is too large to be corrected is not kept as a whole.
      const cut = body.length > 1_048_576;
      expect(content.toString()).toBe(cut ? body.slice(0, 1_024) : body);
      expect(properties).toMatchObject({ messageId: 'm-2', correlationId: 'c-2', replyTo: asking.replyTo });
      expect(properties.headers).toEqual({
        team: 'red',
        'x-dray-reason': expect.stringMatching(reason) as unknown,
        ...(field !== undefined && { 'x-dray-field': field }),
        ...(cut && { 'x-dray-size': body.length }),
      });
      expect(await named('a')).toEqual([]);
    },
  );

  it('puts a bad message that gives no address among the dead letters, and goes on', async () => {
    const asking = await client();
    asking.send('{');
    asking.send({ ...literal, jobName: 'behind' }, { replyTo: asking.replyTo });
    expect(await asking.came(1)).toMatchObject([{ jobName: 'behind', status: 'completed' }]);
    expect(await eventually(() => asking.get('mstc.work.dead'), Boolean)).toMatchObject({
      properties: { replyTo: undefined, headers: { 'x-dray-reason': expect.any(String) as unknown } },
    });
  });

  it('makes one job of a message that comes twice, by its id or by whom it answers', async () => {
    const asking = await client();
    const { replyTo } = asking;
    const gated = { ...literal, image: 'test/gate' };
    for (const correlationId of ['c-3', 'c-4']) {
      asking.send({ ...gated, jobName: 'by-id' }, { replyTo, correlationId, messageId: 'm-3' });
      asking.send({ ...gated, jobName: 'by-reply' }, { replyTo, correlationId: 'c-5' });
    }
    asking.send({ ...literal, jobName: 'last' }, { replyTo });
    await asking.came(1);
    expect([await named('by-id'), await named('by-reply')]).toMatchObject([{ length: 1 }, { length: 1 }]);
    for (const name of ['by-id', 'by-reply']) gates.open(name);
    await asking.came(3);
    // Sent again after the end, by somebody who has not got the reply: it is told again.
    const later = await client();
    later.send(
      { ...gated, jobName: 'by-id' },
      { replyTo: later.replyTo, correlationId: 'c-6', messageId: 'm-3' },
    );
    expect(await later.came(1)).toMatchObject([{ jobName: 'by-id', status: 'completed' }]);
    expect(later.replies[0]!.properties.correlationId).toBe('c-6');
    expect(asking.replies).toHaveLength(3);
    expect(await named('by-id')).toHaveLength(1);
  });

  it('refuses another message under the id of an earlier one', async () => {
    const asking = await client();
    const { replyTo } = asking;
    asking.send({ ...literal, jobName: 'first' }, { replyTo, messageId: 'm-4' });
    await asking.came(1);
    asking.send({ ...literal, jobName: 'second' }, { replyTo, messageId: 'm-4' });
    expect((await asking.came(2))[1]).toMatchObject({ jobName: 'second', field: 'message_id' });
    await eventually(() => asking.get('mstc.work.dead'), Boolean);
    expect(await named('second')).toEqual([]);
  });

  it('tells of jobs that failed, were cancelled, and whose client is gone', async () => {
    const asking = await client();
    const { replyTo } = asking;
    asking.send({ ...literal, image: 'test/fails' }, { replyTo: 'gone-queue' });
    asking.send({ ...literal, image: 'test/fails' }, { replyTo });
    expect(await asking.came(1)).toMatchObject([
      { status: 'failed', code: 'container-failed', error: 'the container ended with exit code 3' },
    ]);
    asking.send({ ...literal, image: 'test/gate', jobName: 'ended' }, { replyTo });
    const [job] = await eventually(
      () => named('ended'),
      (jobs) => jobs.length === 1,
    );
    await fetch(`${H}/v1/jobs/${job!.id}/cancel`, { method: 'POST' });
    expect((await asking.came(2))[1]).toMatchObject({ status: 'cancelled', code: 'cancelled' });
  });

  it('is not held up by a client whose queue takes no reply', async () => {
    const asking = await client();
    const full = { durable: true, arguments: { 'x-max-length': 1, 'x-overflow': 'reject-publish' } };
    await asking.channel.assertQueue('full-replies', full);
    asking.send('already there', {}, 'full-replies');
    for (let i = 0; i < 40; i += 1) asking.send('{', { replyTo: 'full-replies' });
    asking.send({ ...literal, jobName: 'held' }, { replyTo: 'full-replies', correlationId: 'held' });
    asking.send({ ...literal, jobName: 'behind-them' }, { replyTo: asking.replyTo });
    expect(await asking.came(1)).toMatchObject([{ jobName: 'behind-them', status: 'completed' }]);
    // Once there is room again, the reply that was tried longest comes too.
    await eventually(
      () => asking.get('full-replies'),
      (reply) => reply?.properties.correlationId === 'held',
    );
    let letters = 0;
    while (await asking.get('mstc.work.dead')) letters += 1;
    expect(letters).toBe(40);
  });

  it('goes on where the queue of the dead letters takes none, and names each that is lost', async () => {
    const asking = await client();
    const full = { durable: true, arguments: { 'x-max-length': 1, 'x-overflow': 'reject-publish' } };
    await asking.channel.assertQueue('stuck.work.dead', full);
    asking.send('already there', {}, 'stuck.work.dead');
    const own = await startServer({
      args: ['--tasks', containerTask, '--mstc-amqp', url, '--mstc-queue', 'stuck.work'],
    });
    onTestFinished(() => own.stop());
    const { replyTo } = asking;
    for (let i = 0; i < 32; i += 1) asking.send('{', { replyTo, messageId: `lost-${i}-` }, 'stuck.work');
    asking.send({ ...literal, jobName: 'behind-lost' }, { replyTo }, 'stuck.work');
    const replies = await asking.came(33);
    expect(replies.filter(({ code }) => code === 'refused')).toHaveLength(32);
    expect(replies.filter(({ status }) => status === 'completed')).toHaveLength(1);
    for (let i = 0; i < 32; i += 1) expect(own.output()).toContain(`lost-${i}-`);
    expect(own.output()).toContain('its dead letter could not be sent');
    expect(await asking.depth('stuck.work')).toBe(0);
    // Once there is room again, the next one is kept.
    await asking.get('stuck.work.dead');
    asking.send('{', { messageId: 'kept' }, 'stuck.work');
    await eventually(
      () => asking.get('stuck.work.dead'),
      (letter) => letter?.properties.messageId === 'kept',
    );
  });

  it('has a job and a reply for each good one of 1,000 messages, and a dead letter for each bad one', async () => {
    const asking = await client();
    const { replyTo } = asking;
    while (await asking.get('mstc.work.dead'));
    const bad = ['{', '[]', '{}', JSON.stringify({ ...literal, jobName: 7 })];
    for (let i = 0; i < 1_000; i += 1) {
      const body = i % 10 === 3 ? bad[((i / 10) % 4) | 0]! : { ...literal, jobName: `many-${i}` };
      asking.send(body, { replyTo, correlationId: String(i) });
    }
    const replies = await asking.came(1_000);
    const correlations = new Set(asking.replies.map(({ properties }) => String(properties.correlationId)));
    expect(correlations.size).toBe(1_000);
    expect(replies.filter(({ status }) => status === 'completed')).toHaveLength(900);
    expect(replies.filter(({ code }) => code === 'refused')).toHaveLength(100);
    expect(
      await eventually(
        () => asking.depth('mstc.work.dead'),
        (depth = 0) => depth >= 100,
      ),
    ).toBe(100);
    expect(await asking.depth('mstc.work')).toBe(0);
  });

  it.skipIf(!pikaIsHere)('answers pika, whose client declares the queue itself', async () => {
    const script = `
import json, sys, uuid, pika
connection = pika.BlockingConnection(pika.URLParameters(sys.argv[1]))
channel = connection.channel()
channel.queue_declare("mstc.work", durable=True)
for queue in channel.queue_declare("", exclusive=True).method.queue, "amq.rabbitmq.reply-to":
    correlation, replies = str(uuid.uuid4()), []
    channel.basic_consume(queue, lambda *reply: replies.append(reply), auto_ack=True)
    properties = pika.BasicProperties(reply_to=queue, correlation_id=correlation, content_type="application/json")
    channel.basic_publish("", "mstc.work", sys.argv[2], properties)
    while not replies:
        connection.process_data_events(time_limit=None)
    [(_, _, answered, body)] = replies
    assert answered.correlation_id == correlation, answered
    print(json.loads(body)["status"])
connection.close()`;
    const { stdout } = await promisify(execFile)(python, ['-I', '-c', script, url, JSON.stringify(literal)]);
    expect(stdout).toBe('completed\ncompleted\n');
  });

  it('leaves messages where they are while the queue of jobs is full', async () => {
    const own = await startServer({
      args: [
        '--tasks',
        containerTask,
        '--mstc-amqp',
        url,
        '--mstc-queue',
        'full.work',
        '--max-waiting',
        '1',
        '--inline-slots',
        '1',
      ],
      env: gates.env,
    });
    onTestFinished(() => own.stop());
    const asking = await client();
    const { replyTo } = asking;
    const gated = (jobName: string): void =>
      asking.send({ ...literal, image: 'test/gate', jobName }, { replyTo }, 'full.work');
    for (const jobName of ['full-1', 'full-2']) gated(jobName);
    const echo = {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"type": "echo"}',
    };
    await eventually(
      async () => (await fetch(`${own.url}/v1/jobs`, echo)).status,
      (status) => status === 429,
    );
    for (const jobName of ['full-3', 'full-4']) gated(jobName);
    await eventually(
      () => own.output(),
      (output) => output.includes('container messages wait'),
    );
    for (const jobName of ['full-1', 'full-2', 'full-3', 'full-4']) gates.open(jobName);
    const replies = await asking.came(4);
    expect(new Set(replies.map(({ jobName }) => jobName)).size).toBe(4);
    expect(await asking.depth('full.work.dead')).toBe(0);
  });
});
