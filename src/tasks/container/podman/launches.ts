/** Containers whose images this process pulls, and those that could not begin: nobody else knows of them. */
import type { ContainerEnd } from '../runtime.js';

/** Resolves once the container has begun; with its end where it could not. */
export type Launch = Promise<ContainerEnd | undefined>;

/** Ends that are kept for who asks again. */
const most = 1_000;

export class Launches {
  readonly #launches = new Map<string, { readonly launch: Launch; readonly stop: AbortController }>();
  readonly #pending = new Set<string>();

  /** Whoever waits for it is told; where nobody does, nothing happens. */
  get(jobId: string): Launch | undefined {
    return this.#launches.get(jobId)?.launch;
  }

  isPending(jobId: string): boolean {
    return this.#pending.has(jobId);
  }

  get pending(): readonly string[] {
    return [...this.#pending];
  }

  add(jobId: string, begin: (signal: AbortSignal) => Launch): void {
    const stop = new AbortController();
    const launch = begin(stop.signal);
    const added = { launch, stop };
    const settle = (): void => {
      if (this.#launches.get(jobId) === added) this.#pending.delete(jobId);
    };
    this.#launches.set(jobId, added);
    this.#pending.add(jobId);
    launch.then(settle, settle);
    for (const oldest of this.#launches.keys()) {
      if (this.#launches.size <= most) return;
      if (!this.#pending.has(oldest)) this.#launches.delete(oldest);
    }
  }

  /** One that has settled is told to nobody any more: there is a container, which says more than how it began. */
  forget(jobId: string): void {
    if (!this.#pending.has(jobId)) this.#launches.delete(jobId);
  }

  /** Aborts it with the reason; resolves when it goes on no more. */
  async drop(jobId: string, why: Error): Promise<void> {
    const { launch, stop } = this.#launches.get(jobId) ?? {};
    stop?.abort(why);
    await launch?.catch(() => undefined);
    this.#launches.delete(jobId);
  }

  async close(): Promise<void> {
    const why = new Error('the runtime is closed');
    await Promise.all([...this.#launches.keys()].map((jobId) => this.drop(jobId, why)));
  }
}
