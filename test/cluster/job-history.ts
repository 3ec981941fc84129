/** Every Job that there has been in a namespace, also those that are gone by now. */
import type { Api } from '../../src/kubernetes/api.js';
import { systemClock } from '../../src/clock.js';
import { label } from '../../src/tasks/container/kubernetes/manifest.js';
import type { KubeJob } from '../../src/tasks/container/kubernetes/objects.js';
import { eventually } from '../support/eventually.js';

export interface TestJob extends KubeJob {
  readonly metadata: KubeJob['metadata'] & {
    readonly resourceVersion: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec: { readonly ttlSecondsAfterFinished?: number };
}

export interface SeenJob {
  readonly jobId: string;
  /** As it was when it was made. */
  readonly made: TestJob;
  /** As it was at the last. */
  readonly last: TestJob;
  /** When it went, in ms since the epoch; undefined while it is there. */
  readonly goneAt?: number;
}

export class JobHistory {
  readonly #api: Api;
  readonly #seen = new Map<string, SeenJob>();
  #version: string;

  /** Notes all that are made from now on, until the API is closed. */
  static async begin(api: Api): Promise<JobHistory> {
    const { metadata } = await api.get<{ metadata: { resourceVersion: string } }>(api.jobs());
    const history = new JobHistory(api, metadata.resourceVersion);
    void history.#follow();
    return history;
  }

  private constructor(api: Api, version: string) {
    this.#api = api;
    this.#version = version;
  }

  get all(): readonly SeenJob[] {
    return [...this.#seen.values()];
  }

  /** Those of the job that a client has given this name, once there is one. */
  named(name: string): Promise<readonly SeenJob[]> {
    const fits = ({ made }: SeenJob): boolean => made.metadata.annotations?.['dray.dev/name'] === name;
    return eventually(
      () => this.all.filter(fits),
      (jobs) => jobs.length > 0,
    );
  }

  /** From where the last watch has ended, so that nothing is missed in between. */
  async #follow(): Promise<void> {
    const { closed } = this.#api;
    while (!closed.aborted) {
      try {
        await this.#watch();
      } catch {
        await systemClock.sleep(100, closed).catch(() => undefined);
      }
    }
  }

  async #watch(): Promise<void> {
    const query = { watch: 'true', allowWatchBookmarks: 'true', resourceVersion: this.#version };
    const decoder = new TextDecoder();
    let rest = '';
    const stream = { signal: this.#api.closed, idleMs: 120_000 };
    for await (const chunk of this.#api.stream(this.#api.jobs(), query, stream)) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) this.#note(JSON.parse(line) as JobEvent);
    }
  }

  #note({ type, object }: JobEvent): void {
    if (type === 'ERROR') throw new Error(`the Jobs cannot be watched: ${JSON.stringify(object)}`);
    const { uid, resourceVersion, labels } = object.metadata;
    this.#version = resourceVersion;
    const jobId = labels?.[label.job];
    if (type === 'BOOKMARK' || jobId === undefined) return;
    const { made } = this.#seen.get(uid) ?? { made: object };
    const gone = type === 'DELETED' && { goneAt: systemClock.now() };
    this.#seen.set(uid, { jobId, made, last: object, ...gone });
  }
}

interface JobEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly object: TestJob;
}
