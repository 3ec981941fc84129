/**
 * Group commit: all calls of one event-loop turn go to the thread as one batch, which is one transaction and one
 * fsync. One batch is in flight; what arrives meanwhile makes up the next one.
 */
import type { Clock } from '../../clock.js';
import { DrayError } from '../../jobs/errors.js';
import type { ClaimQueue } from './claims.js';
import type { Answer, Batch, OperationName, Params, Reply, Request, Result } from './protocol.js';

/** A request on its way, and what becomes of its answer. */
export interface Entry {
  readonly request: Request;
  settle(answer: Answer): void;
}

/** The largest batch, which bounds how long a call waits for those before it. */
const batchLimit = 1_000;

/** The operations after which jobs may be pending that were not before. */
const makesPending: ReadonlySet<OperationName> = new Set([
  'submit',
  'release',
  'redrive',
  'resume',
  'maintain',
]);

export class Batcher {
  readonly #clock: Clock;
  readonly #post: (batch: Batch) => void;
  readonly #claims: ClaimQueue;
  #queue: Entry[] = [];
  #inFlight: readonly Entry[] | undefined;
  #scheduled = false;
  /** Jobs may be claimed that the waiting claims have not been asked about. */
  #wake = false;
  #stopped: DrayError | undefined;
  #onIdle: (() => void) | undefined;

  constructor(params: { clock: Clock; post: (batch: Batch) => void; claims: ClaimQueue }) {
    this.#clock = params.clock;
    this.#post = params.post;
    this.#claims = params.claims;
  }

  /** Resolves after the commit. */
  call<K extends OperationName>(op: K, params: Params<K>): Promise<Result<K>> {
    if (this.#stopped) return Promise.reject(this.#stopped);
    return new Promise((resolve, reject) => {
      this.#queue.push({
        request: { op, params } as Request,
        settle: (answer) => {
          if (answer.ok) resolve(answer.result);
          else reject(new DrayError(answer.error.code, answer.error.detail));
        },
      });
      this.schedule();
    });
  }

  /** Sends what there is at the end of this turn, or when the batch in flight is back. */
  schedule(): void {
    if (this.#scheduled || this.#inFlight) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#inFlight) return;
    const calls = this.#queue.splice(0, batchLimit);
    const wake = this.#wake || calls.some((entry) => makesPending.has(entry.request.op));
    this.#wake = false;
    // Claims come last, so they see the jobs of their own batch; and a claim that waits goes along with every
    // batch that could give it a job, so none can miss its wake-up.
    const entries = [...calls, ...this.#claims.take({ wake })];
    if (entries.length === 0) {
      this.#onIdle?.();
      return;
    }
    this.#inFlight = entries;
    this.#post({
      at: { now: this.#clock.now(), monotonic: this.#clock.monotonic() },
      requests: entries.map((entry) => entry.request),
    });
  }

  /** Takes the thread's reply to the batch in flight. */
  onReply({ answers, wake }: Reply): void {
    const entries = this.#inFlight ?? [];
    this.#inFlight = undefined;
    entries.forEach((entry, index) => entry.settle(answers[index]!));
    this.#wake = wake && this.#claims.hasWaiting;
    if (this.#queue.length > 0 || this.#claims.hasFresh || this.#wake || this.#onIdle) this.schedule();
  }

  /** Refuses new calls, and resolves when those that were made are answered. */
  async drain(reason: DrayError): Promise<void> {
    this.#stopped ??= reason;
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
      this.schedule();
    });
  }

  /** The thread is gone: nothing will be answered any more. */
  fail(reason: DrayError): void {
    this.#stopped ??= reason;
    const lost = [...(this.#inFlight ?? []), ...this.#queue];
    this.#inFlight = undefined;
    this.#queue = [];
    const error = { code: reason.code, detail: reason.message };
    for (const entry of lost) entry.settle({ ok: false, error });
    this.#onIdle?.();
  }
}
