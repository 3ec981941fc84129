/** One connection to RabbitMQ that comes back by itself. */
import type { Socket } from 'node:net';
import type { Channel, ChannelModel, ConfirmChannel } from 'amqplib';
import type { Clock } from '../clock.js';
import { DrayError } from '../jobs/errors.js';
import type { Log } from '../log.js';

export interface Address {
  /** As amqplib takes it: with the password, so never shown. */
  readonly url: string;
  /** Host, port and vhost: what may be logged. */
  readonly shown: string;
  readonly vhost: string;
  /** Of the command line, from which it comes. */
  readonly option: string;
}

const backoff = { firstMs: 100, mostMs: 5_000 } as const;
const connectMs = 5_000;
/** What an answer of RabbitMQ may take: a queue without its majority gives none. */
const answerMs = 5_000;
/**
 * A queue of RabbitMQ 3.10 that was made in the second before a kill -9 may never answer again. Deleting it by
 * ourselves could harm one that only waits for its majority.
 */
const silence = `RabbitMQ has not answered within ${answerMs} ms: it is overloaded, or the queue has no leader. Where a queue of ready jobs stays so, delete it (rabbitmqctl delete_queue): its jobs are sent again.`;
/** How long a closing connection may wait for RabbitMQ's answer, which never comes where it hangs. */
const closeMs = 2_000;

/** After two of these in silence the other side counts as gone; `?heartbeat=` of the address goes first. */
const heartbeatS = 5;

/**
 * @param option that the address comes from, for errors.
 * @throws DrayError `invalid-request` where it is no amqp:// or amqps:// address. Its text never repeats the address.
 */
export function parseAddress(url: string, option = 'queue'): Address {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const vhost = parsed && decoded(parsed.pathname.slice(1));
  if (!parsed?.hostname || !['amqp:', 'amqps:'].includes(parsed.protocol) || vhost === undefined) {
    throw new DrayError(
      'invalid-request',
      `${option}: must be amqp://user:password@host:port/vhost, or amqps:// for TLS; what is special in a password or vhost is percent-encoded`,
      { field: option },
    );
  }
  if (!parsed.searchParams.has('heartbeat')) parsed.searchParams.set('heartbeat', String(heartbeatS));
  const port = parsed.port || (parsed.protocol === 'amqp:' ? '5672' : '5671');
  return {
    url: parsed.href,
    shown: `${parsed.hostname}:${port}, vhost ${vhost || '/'}`,
    vhost: vhost || '/',
    option,
  };
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

interface LinkParams {
  readonly address: Address;
  /** What the connection is for; RabbitMQ's lists show it, and the log. */
  readonly name: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Prepares each new connection. Where it rejects, the connection counts as failed and another one is tried. */
  readonly onUp?: (link: Link) => Promise<void> | void;
  /** The connection is gone; with it its channels, and all that was under way on them. */
  readonly onDown?: () => void;
  /** RabbitMQ reads no more from connections that publish, or does so again. */
  readonly onBlocked?: (blocked: boolean) => void;
}

export class Link {
  readonly #params: LinkParams;
  readonly #stop = new AbortController();
  #model: ChannelModel | undefined;
  #said = '';
  #loop: Promise<void> = Promise.resolve();

  /**
   * Resolves after the first attempt to connect, whether RabbitMQ was there or not; goes on trying for ever.
   * @throws DrayError `unavailable` where RabbitMQ refuses the user or the vhost: waiting would not help.
   */
  static async open(params: LinkParams): Promise<Link> {
    const link = new Link(params);
    try {
      await new Promise<void>((resolve, reject) => {
        link.#loop = link.#keep((refusal) => (refusal ? reject(refusal) : resolve()));
      });
    } catch (error) {
      await link.close();
      throw error;
    }
    return link;
  }

  private constructor(params: LinkParams) {
    this.#params = params;
  }

  get up(): boolean {
    return this.#model !== undefined;
  }

  /** Such as `3.10.8`; empty while RabbitMQ is away. */
  get version(): string {
    return this.#model?.connection.serverProperties.version ?? '';
  }

  /** @throws DrayError `unavailable` while RabbitMQ is away or does not answer. */
  async channel(): Promise<Channel> {
    return watched(await this.answer(this.#open().createChannel()));
  }

  /** @throws DrayError `unavailable` while RabbitMQ is away or does not answer. */
  async confirmChannel(): Promise<ConfirmChannel> {
    return watched(await this.answer(this.#open().createConfirmChannel()));
  }

  /**
   * What RabbitMQ answers.
   * @throws DrayError `unavailable` where it is away or says nothing in time; what it says where it refuses.
   */
  async answer<T>(asked: Promise<T>): Promise<T> {
    const waiting = new AbortController();
    const late = this.#params.clock.sleep(answerMs, waiting.signal).then(
      () => Promise.reject(new DrayError('unavailable', silence)),
      () => new Promise<never>(() => undefined),
    );
    try {
      return await Promise.race([asked, late]);
    } catch (error) {
      throw error instanceof DrayError || isRefusal(error) ? error : this.away(error);
    } finally {
      waiting.abort();
    }
  }

  away(cause?: unknown): DrayError {
    return new DrayError('unavailable', `RabbitMQ is away (${this.#params.address.shown}).`, { cause });
  }

  /** Drops the connection, for one that no longer does its work; a new one follows. */
  reset(): void {
    const model = this.#model;
    // Where a channel has ended because its connection did, that is known by then.
    setImmediate(() => {
      if (model && model === this.#model) void this.#end(model);
    });
  }

  async close(): Promise<void> {
    this.#stop.abort(this.away());
    const model = this.#model;
    if (model) await this.#end(model);
    await this.#loop;
  }

  #stopping(): boolean {
    return this.#stop.signal.aborted;
  }

  #open(): ChannelModel {
    if (this.#model === undefined || this.#stopping()) throw this.away();
    return this.#model;
  }

  async #keep(tried: (refusal?: DrayError) => void): Promise<void> {
    const { clock } = this.#params;
    for (let attempt = 0; !this.#stopping(); attempt += 1) {
      const since = clock.monotonic();
      const error = await this.#connection(() => tried());
      if (this.#stopping()) break;
      if (error) this.#refused(error, tried);
      // One that dies young again and again is not tried without pause.
      if (clock.monotonic() - since > backoff.mostMs) attempt = 0;
      const delay = Math.min(backoff.mostMs, backoff.firstMs * 2 ** Math.min(attempt, 16));
      await clock.sleep(delay * (0.5 + clock.random() / 2), this.#stop.signal).catch(() => undefined);
    }
    tried();
  }

  /** One connection, from its first byte to its end. @returns why it could not be had. */
  async #connection(ready: () => void): Promise<unknown> {
    const { address, name, onUp, onDown, onBlocked } = this.#params;
    const options = { noDelay: true, timeout: connectMs, clientProperties: { connection_name: name } };
    // Loaded where there is a RabbitMQ: `dray serve` mostly has none.
    const { connect } = await import('amqplib');
    let model: ChannelModel;
    try {
      model = await connect(address.url, options);
    } catch (error) {
      return error;
    }
    const end = new Promise<Error | undefined>((resolve) => {
      model.on('close', resolve);
    });
    // Each error is followed by `close`, which has it too; without a listener it would end the process.
    model.on('error', () => undefined);
    model.on('blocked', (reason) => {
      this.#say('RabbitMQ takes no messages', { reason });
      onBlocked?.(true);
    });
    model.on('unblocked', () => {
      this.#say('RabbitMQ takes messages again');
      onBlocked?.(false);
    });
    this.#model = model;
    if (this.#stopping()) await this.#end(model);
    let failure: unknown;
    try {
      await onUp?.(this);
      this.#say('RabbitMQ is connected', { version: this.version });
      ready();
    } catch (error) {
      failure = error;
      await this.#end(model);
    }
    const reason = await end;
    this.#model = undefined;
    // The other side of a connection that has gone silent never ends it.
    destroy(model);
    onDown?.();
    if (failure === undefined && !this.#stopping()) {
      this.#say('RabbitMQ is away', { reason: reason?.message ?? 'the connection was closed' });
    }
    return failure;
  }

  #refused(error: unknown, tried: (refusal?: DrayError) => void): void {
    const refusal = refusalOf(error, this.#params.address);
    const reason = refusal?.message ?? (error instanceof Error ? error.message || error.name : String(error));
    this.#say(refusal || isRefusal(error) ? 'RabbitMQ refuses us' : 'RabbitMQ is away', { reason });
    tried(refusal);
  }

  /** Each state is said once, however often it is found. */
  #say(state: string, details: Record<string, unknown> = {}): void {
    if (state === this.#said) return;
    this.#said = state;
    const { log, name, address } = this.#params;
    const level = /connected|again/.test(state) ? 'info' : 'warn';
    log[level](state, { connection: name, server: address.shown, ...details });
  }

  #end(model: ChannelModel): Promise<void> {
    return endConnection(model, this.#params.clock);
  }
}

/** Closes it, and within two seconds its socket whatever RabbitMQ says: one left open would keep the process alive. */
export async function endConnection(model: ChannelModel, clock: Clock): Promise<void> {
  const waiting = new AbortController();
  const closed = model.close().catch(() => undefined);
  const late = clock.sleep(closeMs, waiting.signal).catch(() => undefined);
  await Promise.race([closed, late]);
  waiting.abort();
  // A server that hangs never answers, and one that reads no more never takes what is still to be sent.
  destroy(model);
}

/** Ends the socket, which amqplib does not show; the error makes amqplib notice. */
function destroy(model: ChannelModel): void {
  (model.connection as { stream?: Socket }).stream?.destroy(new Error('the connection was given up'));
}

/** True where RabbitMQ has answered, and with no: 403 access refused, 404 not found, 405 locked, 406 declared otherwise. */
export function isRefusal(error: unknown): error is Error & { readonly code: number } {
  if (!(error instanceof Error)) return false;
  const code: unknown = (error as { code?: unknown }).code;
  return typeof code === 'number' && code >= 403 && code <= 406;
}

/** Where the connection dies meanwhile, RabbitMQ answers the close no more: then the channel says that it is closed. */
export async function closeQuietly(channel: Channel): Promise<void> {
  const gone = new Promise<void>((resolve) => channel.once('close', () => resolve()));
  try {
    await Promise.race([channel.close(), gone]);
  } catch {
    // It is closed already, by RabbitMQ or with its connection.
  }
}

/** An error of a channel is always followed by `close`; without a listener it would end the process. */
function watched<C extends Channel>(channel: C): C {
  channel.on('error', () => undefined);
  return channel;
}

/** amqplib tells of these in words only; of a vhost even just that the answer to `open` was a close. */
function refusalOf(error: unknown, address: Address): DrayError | undefined {
  const text = error instanceof Error ? error.message : '';
  const refused = /Handshake terminated by server: (403|530)/.test(text);
  const noVhost = text.startsWith('Expected ConnectionOpenOk; got <ConnectionClose');
  if (!refused && !noVhost) return undefined;
  const { option } = address;
  const what = refused
    ? `refuses the user name or the password. Correct them in --${option}; note that RabbitMQ lets the user guest in from its own machine only`
    : `has no vhost ${address.vhost} that this user may use. Create it (rabbitmqctl add_vhost, set_permissions), or name another one at the end of --${option}`;
  return new DrayError('unavailable', `${option}: RabbitMQ at ${address.shown} ${what}.`, {
    field: option,
    cause: error,
  });
}
