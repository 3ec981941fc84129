/** What becomes of one message: a job, or a dead letter. */
import type { ConsumeMessage } from 'amqplib';
import { createHash } from 'node:crypto';
import type { BlobStore } from '../../blobs/blob-store.js';
import type { Clock } from '../../clock.js';
import type { Engine, Job, NewJob } from '../../engine/engine.js';
import { DrayError, type ErrorCode } from '../../jobs/errors.js';
import { isFinal } from '../../jobs/life-cycle.js';
import type { Log } from '../../log.js';
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
  readonly sender: Pick<Sender, 'send'>;
  readonly engine: Pick<Engine, 'submit'>;
  readonly blobs: BlobStore;
  readonly tasks: TaskRegistry;
  readonly clock: Clock;
  readonly log: Log;
  /** Why no more jobs are taken now, where that is so. */
  readonly jobsRefusal: () => DrayError | undefined;
}

const backoff = { firstMs: 200, mostMs: 10_000 } as const;
/** What fails so often, and not because a server is away, is refused: after about a minute. */
const mostTries = 12;
/** What passes by itself, and is no message's fault. */
const passing: ReadonlySet<ErrorCode> = new Set(['unavailable', 'queue-full', 'storage-full']);

export class Intake {
  readonly #options: IntakeOptions;
  /** Said of why messages wait. */
  #trouble = false;

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  /**
   * Resolves once nothing more is to be done for the message: its job is stored, or it is among the dead letters. While
   * the engine or RabbitMQ is away, or takes no more, it waits.
   * @throws where `over` is aborted: the message is to come again.
   */
  async take(message: ConsumeMessage, over: AbortSignal): Promise<void> {
    try {
      await this.#store(message, over);
    } catch (error) {
      if (over.aborted) throw error;
      const refusal = this.#refusalFor(error);
      await this.#persist(over, () => this.#refuse(message, refusal));
    }
  }

  /** @throws what is wrong with the message. */
  async #store(message: ConsumeMessage, over: AbortSignal): Promise<void> {
    const { engine, jobsRefusal } = this.#options;
    // One message may name a host that nobody knows: it is not waited for as long as for a server of ours.
    const job = await this.#persist(over, () => this.#admit(message), { forEver: false });
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
    if (answer.kind === 'repeated' && !message.fields.redelivered) {
      await this.#persist(over, () => this.#replyAgain(message, answer.jobs[0]));
    }
  }

  async #admit(message: ConsumeMessage): Promise<NewJob> {
    const submission = jobFrom(await readMembers([message.content]));
    const projection = projectionOf(returnAddressOf(message));
    return { ...(await admit(submission, this.#options)), projection };
  }

  async #replyAgain(message: ConsumeMessage, job: Job | undefined): Promise<void> {
    const { replyTo, correlationId } = returnAddressOf(message);
    if (replyTo === undefined || !job || !isFinal(job.status)) return;
    const reply = JSON.stringify(await replyOf(job, this.#options.blobs));
    const letter = replyLetter(replyTo, { id: job.id, correlationId, reply });
    await this.#options.sender.send([{ ...letter, droppable: true }]);
  }

  async #refuse(message: ConsumeMessage, refusal: Refusal): Promise<void> {
    const { dead, sender, clock, log } = this.#options;
    const address = returnAddressOf(message);
    const { replyTo, correlationId } = address;
    const letters = [deadLetter(dead, message, address, refusal)];
    if (replyTo !== undefined) {
      const { jobName } = await readMembers([message.content]).catch(() => ({ jobName: undefined }));
      const id = propertyOf(message, 'messageId') ?? clock.id();
      const letter = replyLetter(replyTo, { id, correlationId, reply: refusalText(jobName, refusal) });
      letters.push({ ...letter, droppable: true });
    }
    await sender.send(letters);
    log.info('a container message was refused', { ...refusal });
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
   * @param options.forEver false where what passes by itself counts as a try too.
   * @throws what no further try would change; the signal's reason when aborted.
   */
  async #persist<T>(
    over: AbortSignal,
    work: () => T | Promise<T>,
    { forEver = true }: { forEver?: boolean } = {},
  ): Promise<T> {
    const { clock } = this.#options;
    let tries = 0;
    for (let attempt = 0; ; attempt += 1) {
      try {
        const result = await work();
        if (forEver) this.#say(undefined);
        return result;
      } catch (error) {
        over.throwIfAborted();
        if (error instanceof DrayError && error.permanent) throw error;
        const passes = forEver && error instanceof DrayError && passing.has(error.code);
        if (!passes && ++tries >= mostTries) throw error;
        if (passes) this.#say(error);
      }
      const delay = Math.min(backoff.mostMs, backoff.firstMs * 2 ** Math.min(attempt, 16));
      await clock.sleep(delay * (0.5 + clock.random() / 2), over);
    }
  }

  /** Each state is said once, however many messages meet it. */
  #say(error: Error | undefined): void {
    const { log } = this.#options;
    if ((error !== undefined) === this.#trouble) return;
    this.#trouble = error !== undefined;
    if (error) log.warn('container messages wait', { reason: error.message });
    else log.info('container messages are taken again');
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
