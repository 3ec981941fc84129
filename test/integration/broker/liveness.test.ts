/** Workers whose connection drops are suspected at once, and nobody else is. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { systemClock, type Clock } from '../../../src/clock.js';
import { openLiveness, watchLiveness, type Liveness } from '../../../src/engine/cluster/broker/liveness.js';
import { eventually } from '../../support/eventually.js';
import { LogLines } from '../../support/log-lines.js';
import { OwnRabbit, rabbitIsHere } from '../../support/rabbit.js';

/** A way to RabbitMQ that can be cut, which is what RabbitMQ sees of a process that was killed. */
class Wire {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #target: URL;

  static async to(url: string): Promise<{ wire: Wire; url: string }> {
    const wire = new Wire(new URL(url));
    await new Promise<void>((resolve) => wire.#server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => wire.close());
    const through = new URL(url);
    through.port = String((wire.#server.address() as { port: number }).port);
    return { wire, url: through.href };
  }

  private constructor(target: URL) {
    this.#target = target;
    this.#server = createServer((near) => {
      const far = connect(Number(this.#target.port), this.#target.hostname);
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(from);
        from.on('error', () => undefined);
        from.on('close', () => {
          this.#sockets.delete(from);
          to.destroy();
        });
        from.pipe(to);
      }
    });
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.#server.close();
    this.cut();
  }
}

describe.skipIf(!rabbitIsHere)('liveness', () => {
  let rabbit: OwnRabbit;
  let url: string;

  beforeAll(async () => {
    rabbit = await OwnRabbit.start();
  });
  afterAll(() => rabbit.remove());
  beforeEach(async () => {
    url = await rabbit.vhost();
  });

  async function worker(
    holder: string,
    address = url,
    clock: Clock = systemClock,
  ): Promise<{ liveness: Liveness; log: LogLines }> {
    const log = new LogLines();
    const liveness = await openLiveness({ url: address, clock, log, holder });
    onTestFinished(() => liveness.close());
    return { liveness, log };
  }

  async function watch(
    suspects: string[] = [],
    fail = false,
  ): Promise<{ suspects: string[]; log: LogLines }> {
    const log = new LogLines();
    const watcher = await watchLiveness({
      url,
      clock: systemClock,
      log,
      onSuspect: (holder) => {
        suspects.push(holder);
        return fail ? Promise.reject(new Error('no Redis')) : Promise.resolve();
      },
    });
    onTestFinished(() => watcher.close());
    return { suspects, log };
  }

  const has = (count: number) => (list: readonly unknown[]) => list.length >= count;

  it('tells of a worker whose connection drops, each time, and of no other', async () => {
    const { suspects } = await watch();
    const { wire, url: through } = await Wire.to(url);
    await worker('steady');
    const { log } = await worker('shaky', through);
    wire.cut();
    await eventually(() => suspects, has(1));
    // It is back, and is watched again.
    await eventually(() => log.lines, has(3));
    wire.cut();
    await eventually(() => suspects, has(2));
    expect(suspects).toEqual(['shaky', 'shaky']);
    expect(log.lines.slice(0, 3).map(({ message }) => message)).toEqual([
      'RabbitMQ is connected',
      'RabbitMQ is away',
      'RabbitMQ is connected',
    ]);
  });

  it('tells nothing of a worker that ends in peace', async () => {
    const { suspects } = await watch();
    const { wire, url: through } = await Wire.to(url);
    const { liveness } = await worker('done');
    await worker('killed', through);
    await liveness.close();
    wire.cut();
    await eventually(() => suspects, has(1));
    expect(suspects).toEqual(['killed']);
    const queues = await rabbit.control(
      'list_queues',
      '-p',
      new URL(url).pathname.slice(1),
      'name',
      'messages',
    );
    // The one of the killed worker and the one that it has now.
    expect(queues.split('\n').filter((line) => line.includes('dray.alive.'))).toHaveLength(2);
  });

  it('tells one of several watchers, also where that one cannot use it', async () => {
    const suspects: string[] = [];
    const watchers = [await watch(suspects, true), await watch(suspects, true)];
    const { wire, url: through } = await Wire.to(url);
    await Promise.all(['a', 'b', 'c', 'd'].map((holder) => worker(holder, through)));
    wire.close();
    const said = (): readonly unknown[] =>
      watchers.flatMap(({ log }) => log.lines.filter(({ level }) => level === 'warn'));
    await eventually(said, has(4));
    expect([...suspects].sort()).toEqual(['a', 'b', 'c', 'd']);
    expect(JSON.stringify(said())).toContain('no Redis');
  });

  it('tells later what nobody watched for', async () => {
    const { wire, url: through } = await Wire.to(url);
    await worker('early', through);
    wire.close();
    const { suspects } = await watch();
    await eventually(() => suspects, has(1));
    expect(suspects).toEqual(['early']);
  });

  it('renews what it holds before RabbitMQ takes it for stuck', async () => {
    await rabbit.control('eval', 'application:set_env(rabbit, channel_tick_interval, 200).');
    await rabbit.control('eval', 'application:set_env(rabbit, consumer_timeout, 1500).');
    let renewals = 0;
    const hasty: Clock = {
      ...systemClock,
      every: (ms, run) =>
        systemClock.every(ms / 1_000, () => {
          run();
          renewals += 1;
        }),
    };
    const { suspects } = await watch();
    const { log } = await worker('long-lived', url, hasty);
    await eventually(
      () => renewals,
      (count) => count >= 8,
    );
    expect(log.lines.map(({ message }) => message)).toEqual(['RabbitMQ is connected']);
    expect(suspects).toEqual([]);
  });

  it('suspects nobody because RabbitMQ was killed', async () => {
    // The queue of the gone is on the disk by then, see recovery.test.ts.
    const { suspects, log: watching } = await watch();
    const { wire, url: through } = await Wire.to(url);
    const { log } = await worker('survivor');
    const { log: other } = await worker('later', through);
    await rabbit.control('stop_app');
    await rabbit.control('start_app');
    for (const lines of [log, other, watching]) await eventually(() => lines.lines, has(3));
    suspects.length = 0;

    await rabbit.kill();
    await rabbit.restart();
    for (const lines of [log, other, watching]) await eventually(() => lines.lines, has(5));
    wire.cut();
    await eventually(() => suspects, has(1));
    expect(suspects).toEqual(['later']);
  });
});
