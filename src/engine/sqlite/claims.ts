/** Claims, from the call until there are jobs for them. */
import { DrayError } from '../../jobs/errors.js';
import type { Lease } from '../engine.js';
import type { Entry } from './batcher.js';
import type { Params, Result } from './protocol.js';
import { readLease } from './rows.js';

interface Claim {
  readonly params: Omit<Params<'claim'>, 'token'>;
  readonly signal: AbortSignal;
  /** Ends the call, once; later calls do nothing. */
  end(outcome: { leases: readonly Lease[] } | { error: DrayError }): void;
}

/**
 * A claim is in one place at a time: fresh (called, not yet sent), in a batch, or waiting (sent, and there was
 * nothing). Those that wait keep their order of arrival, so the oldest gets the next job.
 */
export class ClaimQueue {
  readonly #newToken: () => string;
  #fresh: Claim[] = [];
  #waiting: Claim[] = [];
  #closed: DrayError | undefined;

  constructor(newToken: () => string) {
    this.#newToken = newToken;
  }

  get hasFresh(): boolean {
    return this.#fresh.length > 0;
  }

  get hasWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** Resolves with leases; with none where the signal aborted while there was nothing to lease. */
  add(params: Claim['params'], signal: AbortSignal): Promise<readonly Lease[]> {
    if (this.#closed) return Promise.reject(this.#closed);
    if (signal.aborted || params.max < 1 || params.types.length === 0) return Promise.resolve([]);
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        // In a batch it may be given jobs at this very moment, so there the answer decides.
        if (this.#remove(claim)) claim.end({ leases: [] });
      };
      const claim: Claim = {
        params,
        signal,
        end: (outcome) => {
          signal.removeEventListener('abort', onAbort);
          if ('leases' in outcome) resolve(outcome.leases);
          else reject(outcome.error);
        },
      };
      signal.addEventListener('abort', onAbort);
      this.#fresh.push(claim);
    });
  }

  /** The claims for the next batch: the fresh ones, and with `wake` before them those that wait. */
  take({ wake }: { wake: boolean }): Entry[] {
    const taken = wake ? [...this.#waiting, ...this.#fresh] : this.#fresh;
    this.#fresh = [];
    if (wake) this.#waiting = [];
    return taken.map((claim) => this.#entry(claim));
  }

  /** Rejects all that wait, and those to come. */
  close(reason: DrayError): void {
    this.#closed = reason;
    for (const claim of [...this.#waiting, ...this.#fresh]) claim.end({ error: reason });
    this.#waiting = [];
    this.#fresh = [];
  }

  #entry(claim: Claim): Entry {
    return {
      request: { op: 'claim', params: { ...claim.params, token: this.#newToken() } },
      settle: (answer) => {
        if (!answer.ok) {
          claim.end({ error: new DrayError(answer.error.code, answer.error.detail) });
          return;
        }
        const records = answer.result as Result<'claim'>;
        if (records.length > 0 || claim.signal.aborted) claim.end({ leases: records.map(readLease) });
        else if (this.#closed) claim.end({ error: this.#closed });
        else this.#waiting.push(claim);
      },
    };
  }

  #remove(claim: Claim): boolean {
    const before = this.#waiting.length + this.#fresh.length;
    this.#waiting = this.#waiting.filter((other) => other !== claim);
    this.#fresh = this.#fresh.filter((other) => other !== claim);
    return this.#waiting.length + this.#fresh.length < before;
  }
}
