/** Those who listen to what running jobs print. */
type Listener = (text: string) => void;

export class OutputListeners {
  readonly #byJob = new Map<string, Set<Listener>>();
  readonly #onFirst: (id: string) => void;
  readonly #onLast: (id: string) => void;

  /** @param on told when somebody begins to listen to a job, and when nobody does any more. */
  constructor(on: { first?: (id: string) => void; last?: (id: string) => void } = {}) {
    this.#onFirst = on.first ?? (() => undefined);
    this.#onLast = on.last ?? (() => undefined);
  }

  add({ id, listener }: { id: string; listener: Listener }): () => void {
    const own: Listener = (text) => listener(text); // so that the same function may listen twice
    const known = this.#byJob.get(id);
    if (known) known.add(own);
    else {
      this.#byJob.set(id, new Set([own]));
      this.#onFirst(id);
    }
    return () => {
      const listeners = this.#byJob.get(id);
      if (!listeners?.delete(own) || listeners.size > 0) return;
      this.#byJob.delete(id);
      this.#onLast(id);
    };
  }

  tell({ id, text }: { id: string; text: string }): void {
    for (const listener of this.#byJob.get(id) ?? []) {
      try {
        listener(text);
      } catch {
        // Output is best effort: one broken listener must not keep it from the others.
      }
    }
  }
}
