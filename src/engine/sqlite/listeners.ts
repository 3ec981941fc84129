/** Those who watch for changes. */
import type { JobEvent } from '../engine.js';
import { statusName, type Change } from './rows.js';

export class Listeners {
  readonly #listeners = new Set<(event: JobEvent) => void>();

  add(listener: (event: JobEvent) => void): () => void {
    const own = (event: JobEvent): void => listener(event); // so that the same function may subscribe twice
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  tell(changes: readonly Change[]): void {
    if (this.#listeners.size === 0) return;
    for (const change of changes) {
      const event = { ...change, status: statusName(change.status) };
      for (const listener of this.#listeners) {
        try {
          listener(event);
        } catch {
          // Events are best effort: one broken listener must not keep them from the others.
        }
      }
    }
  }
}
