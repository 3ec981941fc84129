/**
 * Shares one costly operation among all who ask for it at about the same time: one run is in flight, and the
 * next covers everyone who asked meanwhile. A caller is never covered by a run that began before it asked.
 */
export class GroupedSync {
  readonly #run: () => Promise<void>;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(run: () => Promise<void>) {
    this.#run = run;
  }

  /** Resolves, or rejects, with the run that covers this call. */
  sync(): Promise<void> {
    if (this.#running === undefined) return this.#start();
    // The failure of a run belongs to those it covered, so the next one starts all the same.
    const start = () => this.#start();
    this.#next ??= this.#running.then(start, start);
    return this.#next;
  }

  #start(): Promise<void> {
    this.#next = undefined;
    const run = this.#run();
    this.#running = run;
    const end = () => {
      if (this.#running === run) this.#running = undefined;
    };
    run.then(end, end);
    return run;
  }
}
