/** Those who watch an engine for changes. */
import type { JobEvent } from './engine.js';

export class Listeners {
  readonly #listeners = new Set<(event: JobEvent) => void>();

  add(listener: (event: JobEvent) => void): () => void {
    const own = (event: JobEvent): void => listener(event); // so that the same function may subscribe twice
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  /** Events are made only where somebody listens. */
  tell<Change>(changes: readonly Change[], eventOf: (change: Change) => JobEvent): void {
    if (this.#listeners.size === 0) return;
    for (const change of changes) {
      const event = eventOf(change);
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
