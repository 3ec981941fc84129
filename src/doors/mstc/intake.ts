/** What becomes of one message: a job, or a dead letter. */
import type { ConsumeMessage } from 'amqplib';
import { createHash } from 'node:crypto';
import type { BlobStore } from '../../blobs/blob-store.js';
import type { Clock } from '../../clock.js';
import type { Engine, NewJob } from '../../engine/engine.js';
import { DrayError, type ErrorCode } from '../../jobs/errors.js';
import { isFinal } from '../../jobs/life-cycle.js';
import { Trouble, type Log } from '../../log.js';
import { admit } from '../../tasks/admission.js';
import type { TaskRegistry } from '../../tasks/registry.js';
import { projectionOf, propertyOf, returnAddressOf } from './address.js';
import { deadLetter, refusalText, replyLetter, type Refusal } from './letters.js';
import { replyOf } from './reply.js';
import { inMstcWords, jobFrom, readMembers } from './request.js';
import type { Sender } from './sender.js';

export interface IntakeOptions {
  /** Of the dead letters. */
  readonly dead: string;
  /** Where the messages come from, by `brokerOf`. */
  readonly broker: string;
  readonly sender: Pick<Sender, 'send' | 'reachable'>;
  readonly engine: Pick<Engine, 'submit'>;
  readonly blobs: BlobStore;
  readonly tasks: TaskRegistry;
  readonly clock: Clock;
  readonly log: Log;
  /** Why no more jobs are taken now, where that is so. */
  readonly jobsRefusal: () => DrayError | undefined;
}

const backoff = { firstMs: 200, mostMs: 10_000 } as const;
/** What fails so often, and not because a server of ours is away, is refused: after about a minute. */
const mostTries = 12;
/** A reply of the door's own is tried so often: a client whose queue takes none must not hold up others. */
const replyTries = 4;
/** A dead letter is: where its queue takes none, the messages behind it go first. */
const deadTries = 6;
/** What passes by itself, and is no message's fault. */
const passing: ReadonlySet<ErrorCode> = new Set(['unavailable', 'queue-full', 'storage-full']);

export class Intake {
  readonly #options: IntakeOptions;
  /** Each state is said once, however many messages meet it. */
  readonly #waiting: Trouble;
  /** The queue of the dead letters took none when it was last tried: until it does, one try of each is enough. */
  #deadRefuses = false;

  constructor(options: IntakeOptions) {
    this.#options = options;
    this.#waiting = new Trouble({
      log: options.log,
      begins: 'container messages wait',
      ends: 'container messages are taken again',
    });
  }

  /**
   * Resolves once nothing more is to be done for the message: its job is stored, or it is among the dead letters, or in
   * the log where these take none. While the engine or RabbitMQ is away, or takes no more, it waits.
   * @throws where `over` is aborted: the message is to come again.
   */
  async take(message: ConsumeMessage, over: AbortSignal): Promise<void> {
    try {
      await this.#store(message, over);
    } catch (error) {
      if (over.aborted) throw error;
      await this.#refuse(message, over, this.#refusalFor(error));
    }
  }

  /** @throws what is wrong with the message. */
  async #store(message: ConsumeMessage, over: AbortSignal): Promise<void> {
    const { engine, jobsRefusal } = this.#options;
    const job = await this.#persist(over, () => this.#admit(message));
    const once = onceOf(message, job.id);
    const answer = await this.#persist(over, () => {
      const full = jobsRefusal();
      if (full) throw full;
      return engine.submit({ jobs: [job], once });
    });
    if (answer.kind === 'conflict') {
      throw new DrayError('idempotency-conflict', 'message_id: it was that of another message before', {
        field: 'message_id',
      });
    }
    // Who sends it anew may have lost the reply. One that RabbitMQ delivers anew is answered by its job's end alone.
    const [first] = answer.kind === 'repeated' && !message.fields.redelivered ? answer.jobs : [];
    if (!first || !isFinal(first.status)) return;
    await this.#reply(message, over, async () => ({
      id: first.id,
      reply: JSON.stringify(await replyOf(first, this.#options.blobs)),
    }));
  }

  async #admit(message: ConsumeMessage): Promise<NewJob> {
    const submission = jobFrom(await readMembers([message.content]));
    const projection = projectionOf({ ...returnAddressOf(message), broker: this.#options.broker });
    return { ...(await admit(submission, this.#options)), projection };
  }

  async #refuse(message: ConsumeMessage, over: AbortSignal, refusal: Refusal): Promise<void> {
    const { clock } = this.#options;
    await this.#bury(message, over, refusal);
    await this.#reply(message, over, async () => {
      const { jobName } = await readMembers([message.content]).catch(() => ({ jobName: undefined }));
      const id = propertyOf(message, 'messageId') ?? clock.id();
      return { id, reply: refusalText(jobName, refusal) };
    });
  }

  /** Among the dead letters; where their queue takes none, as one that is full may, only a warning is left of it. */
  async #bury(message: ConsumeMessage, over: AbortSignal, refusal: Refusal): Promise<void> {
    const { dead, sender, log } = this.#options;
    const address = returnAddressOf(message);
    const letter = deadLetter(dead, message, address, refusal);
    try {
      await this.#persist(over, () => sender.send([letter]), this.#deadRefuses ? 1 : deadTries);
      this.#deadRefuses = false;
      log.info('a container message was refused', { ...refusal });
    } catch (error) {
      over.throwIfAborted();
      this.#deadRefuses = true;
      log.warn('a container message was refused, and is lost: its dead letter could not be sent', {
        ...refusal,
        messageId: letter.messageId,
        ...address,
        error: String(error),
      });
    }
  }

  /** To whoever sent the message, where he has given an address. */
  async #reply(
    message: ConsumeMessage,
    over: AbortSignal,
    write: () => Promise<{ id: string; reply: string }>,
  ): Promise<void> {
    const { sender, log } = this.#options;
    const { replyTo, correlationId } = returnAddressOf(message);
    if (replyTo === undefined) return;
    const send = async (): Promise<void> => {
      const letter = replyLetter(replyTo, { ...(await write()), correlationId });
      await sender.send([{ ...letter, droppable: true }]);
    };
    try {
      await this.#persist(over, send, replyTries);
    } catch (error) {
      over.throwIfAborted();
      log.warn('a reply to a container message could not be sent', { replyTo, error: String(error) });
    }
  }

  #refusalFor(error: unknown): Refusal {
    if (!(error instanceof DrayError)) {
      this.#options.log.warn('a container message cannot be used', { error: String(error) });
      return { reason: 'the server met an unexpected error' };
    }
    const { message, field } = inMstcWords(error);
    return { reason: message, ...(field !== undefined && { field }) };
  }

  /**
   * Does it again, with growing pauses, until it is done.
   * @param most tries, for what is sent: those that could not reach RabbitMQ are not counted. Without it what passes by
   * itself is waited for as long as it takes.
   * @throws what no further try would change; the signal's reason when aborted.
   */
  async #persist<T>(over: AbortSignal, work: () => T | Promise<T>, most?: number): Promise<T> {
    const { clock, sender } = this.#options;
    let tries = 0;
    for (let attempt = 0; ; attempt += 1) {
      // Before the try: what cannot be sent at all may take the connection along each time.
      const { reachable } = sender;
      try {
        const result = await work();
        if (most === undefined) this.#waiting.over();
        return result;
      } catch (error) {
        over.throwIfAborted();
        if (error instanceof DrayError && error.permanent) throw error;
        const waits = most === undefined && error instanceof DrayError && passing.has(error.code);
        if (waits) this.#waiting.met({ reason: error.message });
        else if ((most === undefined || reachable) && ++tries >= (most ?? mostTries)) throw error;
      }
      const delay = Math.min(backoff.mostMs, backoff.firstMs * 2 ** Math.min(attempt, 16));
      await clock.sleep(delay * (0.5 + clock.random() / 2), over);
    }
  }
}

/**
 * By what a message is known when it comes again. One that says nothing of the kind is known only to the tries of this
 * very delivery, by its job.
 */
function onceOf(message: ConsumeMessage, jobId: string): { key: string; fingerprint: string } {
  const id = propertyOf(message, 'messageId');
  const { replyTo, correlationId } = returnAddressOf(message);
  const asked = replyTo !== undefined && correlationId !== undefined;
  const known = id !== undefined ? ['id', id] : asked ? ['reply', replyTo, correlationId] : ['job', jobId];
  return { key: `mstc:${hashOf(JSON.stringify(known))}`, fingerprint: hashOf(message.content) };
}

function hashOf(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}
