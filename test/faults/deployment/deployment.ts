/** A whole deployment on this machine: servers of its own, two of each process, and an account of what was done. */
import { Redis as RedisClient } from 'ioredis';
import { systemClock } from '../../../src/clock.js';
import type { InvariantReport } from '../../../src/jobs/invariants.js';
import { readExposition } from '../../support/exposition.js';
import { eventually } from '../../support/eventually.js';
import { askDoctor, type Drill } from '../fault.js';
import { DrayProcess, type Mode } from './process.js';
import { startOwnRabbit, startOwnRedis, startOwnS3, type Rabbit, type Redis, type S3 } from './servers.js';

export interface DeploymentOptions {
  /** Blobs in a bucket, and not in a folder. */
  readonly s3?: boolean;
  readonly appendfsync?: 'always' | 'everysec' | 'no';
  /** What the processes are told instead of RabbitMQ's own address, such as a proxy. */
  readonly queue?: (drill: Drill, url: string) => Promise<string>;
  readonly env?: (mode: Mode) => Readonly<Record<string, string>>;
  readonly args?: Partial<Record<Mode, readonly string[]>>;
}

const two = [1, 2];

export class Deployment {
  readonly drill: Drill;
  readonly rabbit: Rabbit;
  readonly redis: Redis;
  readonly s3: S3 | undefined;
  /** All that ran, also those that have ended. */
  readonly all: DrayProcess[] = [];
  readonly #options: DeploymentOptions;
  readonly #queue: string;
  readonly #blobs: string;
  #client: RedisClient | undefined;

  static async start(drill: Drill, options: DeploymentOptions = {}): Promise<Deployment> {
    const [rabbit, redis, s3] = await Promise.all([
      drill.folder().then(startOwnRabbit),
      drill.folder().then((folder) => startOwnRedis(folder, options.appendfsync ?? 'always')),
      options.s3 ? drill.folder().then(startOwnS3) : undefined,
    ]);
    drill.after(() => Promise.all([rabbit.stop(), redis.stop(), s3?.stop()]));
    const queue = (await options.queue?.(drill, rabbit.url)) ?? rabbit.url;
    const blobs = s3?.url ?? `file://${await drill.folder()}`;
    const deployment = new Deployment({ drill, rabbit, redis, s3, queue, blobs, options });
    await Promise.all([
      ...two.map(() => deployment.add('api')),
      ...two.map(() => deployment.add('controller')),
      ...two.map(() => deployment.add('worker')),
    ]);
    drill.say(`RabbitMQ, Redis${s3 ? ', S3' : ''} and two of each process run`);
    return deployment;
  }

  private constructor(params: {
    drill: Drill;
    rabbit: Rabbit;
    redis: Redis;
    s3: S3 | undefined;
    queue: string;
    blobs: string;
    options: DeploymentOptions;
  }) {
    this.drill = params.drill;
    this.rabbit = params.rabbit;
    this.redis = params.redis;
    this.s3 = params.s3;
    this.#queue = params.queue;
    this.#blobs = params.blobs;
    this.#options = params.options;
  }

  async add(mode: Mode): Promise<DrayProcess> {
    const own = {
      api: ['--port', '0', '--data', await this.drill.folder(), '--log-level', 'warn'],
      controller: ['--log-level', 'info'],
      worker: ['--slots-per-worker', '2', '--log-level', 'debug'],
    };
    const addresses = ['--queue', this.#queue, '--state', this.redis.url, '--blobs', this.#blobs];
    const added = await DrayProcess.start({
      mode,
      args: [...addresses, ...own[mode], ...(this.#options.args?.[mode] ?? [])],
      env: { ...this.s3?.now.env, ...this.#options.env?.(mode) },
      after: (end) => this.drill.after(end),
    });
    this.all.push(added);
    return added;
  }

  /** Those that run. */
  of(mode: Mode): DrayProcess[] {
    return this.all.filter((process) => process.mode === mode && process.running);
  }

  get urls(): string[] {
    return this.of('api').map(({ url }) => url);
  }

  /** The controller that leads now. */
  async leader(): Promise<DrayProcess> {
    const found = await eventually(
      async () => {
        const holder = await this.client.get('dray:leader').catch(() => null);
        return this.of('controller').find(({ pid }) => holder?.includes(`:${pid}:`));
      },
      (leader) => leader !== undefined,
    );
    return found!;
  }

  /** How often each job was completed, as the workers tell it. */
  completions(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const id of this.all.flatMap(({ completions }) => completions))
      counts.set(id, (counts.get(id) ?? 0) + 1);
    return counts;
  }

  /** The sum of a figure that every process counts by itself. */
  async figure(name: string): Promise<number> {
    const texts = await Promise.all(
      this.all
        .filter(({ running }) => running)
        .map(async ({ url }) => (await fetch(`${url}/metrics`)).text()),
    );
    const samples = texts.flatMap((text) => readExposition(text).get(name)?.samples ?? []);
    return samples.reduce((sum, { value }) => sum + value, 0);
  }

  /** To look at Redis, and to harm it. */
  get client(): RedisClient {
    if (!this.#client) {
      const client = new RedisClient(this.redis.url, { maxRetriesPerRequest: 0 });
      client.on('error', () => undefined);
      this.drill.after(() => client.disconnect());
      this.#client = client;
    }
    return this.#client;
  }

  /** What `dray doctor --invariants` says of it. */
  invariants(): Promise<InvariantReport> {
    return askDoctor(
      ['--queue', this.rabbit.url, '--state', this.redis.url, '--blobs', this.#blobs],
      this.s3?.now.env,
    );
  }

  async pause(least: number, most: number): Promise<void> {
    await systemClock.sleep(this.drill.random.between(least, most));
  }
}
