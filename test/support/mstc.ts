/** What the tests of the MSTC door share: its task, gates that hold jobs, and a client on RabbitMQ. */
import {
  connect,
  type Channel,
  type ChannelModel,
  type GetMessage,
  type Message,
  type Options,
} from 'amqplib';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A task of the type `container` that starts none. */
export const containerTask = fileURLToPath(new URL('./container-task.mjs', import.meta.url));

/** What its clients send. */
export const literal = {
  image: 'mstc/python-test:latest',
  jobName: 'test-job',
  inputBucketUrl: 'http://hostname:9000/bucket',
};

/** Jobs of the image test/gate end when their gate is opened. */
export class Gates {
  readonly folder = mkdtempSync(join(tmpdir(), 'dray-gates-'));
  readonly env = { TEST_GATES: this.folder };

  open(jobName: string): void {
    writeFileSync(join(this.folder, jobName), '');
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }
}

export interface Reply {
  readonly jobName?: string;
  readonly status: string;
  readonly duration: number;
  readonly output: string;
  readonly code?: string;
  readonly error?: string;
  readonly field?: string;
}

/** A client of RabbitMQ that notes what comes to its own queue. */
export class MessageClient {
  readonly #connection: ChannelModel;
  readonly channel: Channel;
  readonly replyTo: string;
  readonly replies: Message[] = [];
  #wake = (): void => undefined;

  static async open(url: string): Promise<MessageClient> {
    const connection = await connect(url);
    connection.on('error', () => undefined); // some tests kill RabbitMQ
    const channel = await connection.createChannel();
    const { queue } = await channel.assertQueue('', { exclusive: true });
    const client = new MessageClient(connection, channel, queue);
    await client.listen(queue);
    return client;
  }

  private constructor(connection: ChannelModel, channel: Channel, replyTo: string) {
    this.#connection = connection;
    this.channel = channel;
    this.replyTo = replyTo;
  }

  /** Notes what comes to another queue too. */
  async listen(queue: string): Promise<void> {
    await this.channel.consume(
      queue,
      (message) => {
        if (message) this.replies.push(message);
        this.#wake();
      },
      { noAck: true },
    );
  }

  send(body: string | object, options: Options.Publish = {}, queue = 'mstc.work'): void {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    this.channel.sendToQueue(queue, Buffer.from(text), { persistent: true, ...options });
  }

  /** So many replies, in the order in which they came. */
  async came(count: number): Promise<readonly Reply[]> {
    while (this.replies.length < count) await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.replies.map(({ content }) => JSON.parse(content.toString()) as Reply);
  }

  /** Takes the next message out of a queue; undefined where there is none, or no such queue. */
  async get(queue: string): Promise<GetMessage | undefined> {
    return (await this.#asked((channel) => channel.get(queue, { noAck: true }))) || undefined;
  }

  /** How many messages wait in a queue; undefined where there is no such queue. */
  async depth(queue: string): Promise<number | undefined> {
    return (await this.#asked((channel) => channel.checkQueue(queue)))?.messageCount;
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  /** RabbitMQ ends the channel on which somebody asks for a queue that is not there. */
  async #asked<T>(ask: (channel: Channel) => Promise<T>): Promise<T | undefined> {
    const channel = await this.#connection.createChannel();
    channel.on('error', () => undefined);
    const answer = await ask(channel).catch(() => undefined);
    if (answer !== undefined) await channel.close();
    return answer;
  }
}
