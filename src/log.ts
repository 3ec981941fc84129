/** What a part reports of itself; compose/ says where it goes. Details never hold a secret. */
export interface Log {
  info(message: string, details?: Record<string, unknown>): void;
  warn(message: string, details?: Record<string, unknown>): void;
}

/** An address, or what was meant as one, as it may be logged and shown: without its password. */
export function withoutPassword(address: string): string {
  // Up to the last @, as a password that was not encoded may hold any character.
  return address
    .replace(/(:\/\/[^:@/]*):.*@/s, '$1:***@')
    .replace(/([?&](?:password|secret\w*)=)[^&]*/gi, '$1***');
}

/** What goes wrong again and again: said once, and once that it is over. */
export class Trouble {
  readonly #log: Log;
  readonly #begins: string;
  readonly #ends: string;
  #there = false;

  /** @param params.begins what is said when it begins; `ends` when it is over. */
  constructor(params: { log: Log; begins: string; ends: string }) {
    this.#log = params.log;
    this.#begins = params.begins;
    this.#ends = params.ends;
  }

  /** Begins, or goes on. Details are those of the first time. */
  met(details: Record<string, unknown>): void {
    if (!this.#there) this.#log.warn(this.#begins, details);
    this.#there = true;
  }

  /** Is over, where there was any. */
  over(): void {
    if (this.#there) this.#log.info(this.#ends);
    this.#there = false;
  }
}
