/** A TCP proxy before RabbitMQ that cuts a connection right after, or right before, a method has gone through. */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { systemClock } from '../../../src/clock.js';

/** What a client may send, by class and method of AMQP 0-9-1. */
export const methods = { publish: 60 * 65_536 + 40, ack: 60 * 65_536 + 80 } as const;

interface Cut {
  /** Of the connection, by the name that Dray gives it. */
  readonly name: string;
  readonly method: number;
  /** Whether the method itself still goes through. */
  readonly passes: boolean;
  readonly done: () => void;
}

/** After the method went through, RabbitMQ has so long to act on it, in ms; its answers are held back. */
const actMs = 50;

export class Proxy {
  readonly #server: Server;
  readonly #target: number;
  readonly #sockets = new Set<Socket>();
  #cut: Cut | undefined;

  static async start(target: number): Promise<Proxy> {
    const proxy = new Proxy(target);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  private constructor(target: number) {
    this.#target = target;
    this.#server = createServer({ noDelay: true }, (client) => this.#relay(client));
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Cuts the next connection of this name that sends the method. Resolves once it is cut, true, or no more wanted. */
  cutAt(name: string, method: number, options: { passes: boolean; withinMs: number }): Promise<boolean> {
    return new Promise((resolve) => {
      const cancel = systemClock.after(options.withinMs, () => {
        this.#cut = undefined;
        resolve(false);
      });
      const done = (): void => {
        cancel();
        resolve(true);
      };
      this.#cut = { name, method, passes: options.passes, done };
    });
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #relay(client: Socket): void {
    const server = connect({ port: this.#target, host: '127.0.0.1', noDelay: true });
    let name = '';
    let held = false;
    const both = [client, server];
    for (const socket of both) {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        for (const one of both) one.destroy();
      });
    }
    const frames = new Frames();
    client.on('data', (bytes: Buffer) => {
      if (name === '')
        name = /dray (?:publishing|consuming|container messages)/.exec(bytes.toString('latin1'))?.[0] ?? '';
      const sent = frames.methodsIn(bytes);
      const cut = this.#cut;
      if (cut?.name !== name || !sent.includes(cut.method)) {
        if (!held) server.write(bytes);
        return;
      }
      this.#cut = undefined;
      held = true;
      if (cut.passes) server.write(bytes);
      systemClock.after(actMs, () => {
        for (const socket of both) socket.destroy();
        cut.done();
      });
    });
    server.on('data', (bytes: Buffer) => {
      if (!held) client.write(bytes);
    });
  }
}

/** Finds the methods in a stream of frames: type, channel, size, payload, end. The protocol's header comes first. */
class Frames {
  #rest = Buffer.alloc(0);
  #begun = false;

  methodsIn(bytes: Buffer): number[] {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    if (!this.#begun && this.#rest.length >= 8) {
      this.#begun = true;
      this.#rest = this.#rest.subarray(8);
    }
    const found: number[] = [];
    while (this.#begun && this.#rest.length >= 7) {
      const end = 7 + this.#rest.readUInt32BE(3) + 1;
      if (this.#rest.length < end) break;
      if (this.#rest[0] === 1) found.push(this.#rest.readUInt32BE(7));
      this.#rest = this.#rest.subarray(end);
    }
    return found;
  }
}
