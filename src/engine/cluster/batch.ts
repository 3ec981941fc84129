/** Gathers the calls of one turn of the event loop into one call for all of them. */

export class Batch<Request, Result> {
  readonly #run: (requests: readonly Request[]) => Promise<readonly Result[]>;
  readonly #weigh: (request: Request) => number;
  #waiting: { request: Request; resolve: (result: Result) => void; reject: (error: unknown) => void }[] = [];
  #inFlight = 0;
  #planned = false;

  /** @param run answers one result for each request, in their order. */
  constructor(
    run: (requests: readonly Request[]) => Promise<readonly Result[]>,
    weigh: (request: Request) => number = () => 1,
  ) {
    this.#run = run;
    this.#weigh = weigh;
  }

  add(request: Request): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ request, resolve, reject });
      this.#plan();
    });
  }

  #plan(): void {
    if (this.#planned || this.#inFlight >= mostInFlight || this.#waiting.length === 0) return;
    this.#planned = true;
    setImmediate(() => {
      this.#planned = false;
      this.#flush();
      this.#plan();
    });
  }

  #flush(): void {
    let weight = 0;
    let size = 0;
    while (size < this.#waiting.length && (size === 0 || weight < most)) {
      weight += this.#weigh(this.#waiting[size]!.request);
      if (size > 0 && weight > most) break;
      size += 1;
    }
    const calls = this.#waiting.splice(0, size);
    this.#inFlight += 1;
    this.#run(calls.map(({ request }) => request))
      .then(
        (results) => calls.forEach(({ resolve }, index) => resolve(results[index]!)),
        (error: unknown) => calls.forEach(({ reject }) => reject(error)),
      )
      .finally(() => {
        this.#inFlight -= 1;
        this.#plan();
      });
  }
}

/** Calls that are under way at a time: while they are, the next one grows. */
const mostInFlight = 3;
/** One script holds up all others, so it is kept short. */
const most = 256;
