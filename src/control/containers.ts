/**
 * The keeper of containers: looks again and again at what a runtime has, and removes what jobs that are final have
 * left. Nobody else does, so that a container's end is there until its job has it. Several keepers do no harm.
 */
import type { Clock } from '../clock.js';
import type { Engine } from '../engine/engine.js';
import { isFinal, type Status } from '../jobs/life-cycle.js';
import { Trouble } from '../log.js';
import type { ContainerRuntime } from '../tasks/container/runtime.js';
import type { TaskLog } from '../tasks/task.js';
import { Loop } from './loop.js';

const intervalMs = 5_000;
/** How often it looks while there is nothing to keep. */
const idleMs = 30_000;
/** Containers seen to at a time: to remove one takes as long as its end. */
const atOnce = 8;

type Verdict = 'keep' | 'release' | 'remove';

/**
 * What is to become of a container.
 * @param params.status of its job; undefined where there is no such job.
 * @param params.missed whether there was none the last time too. Once says little: the job's record may come back.
 */
export function judge(params: { status: Status | undefined; running: boolean; missed: boolean }): Verdict {
  const { status, running, missed } = params;
  if (status === undefined) return missed ? 'remove' : 'keep';
  // A job that was re-driven is not final any more: what it finds is its own matter.
  if (!isFinal(status)) return 'keep';
  return running ? 'remove' : 'release';
}

export class ContainerKeeper {
  readonly #runtime: Pick<ContainerRuntime, 'list' | 'release' | 'remove'>;
  readonly #engine: Pick<Engine, 'get'>;
  readonly #clock: Clock;
  readonly #log: TaskLog;
  readonly #loop: Loop;
  readonly #trouble: Trouble;
  /** Containers whose jobs were not there the last time. */
  #missed: ReadonlySet<string> = new Set();
  #idleSince: number | undefined;
  #stopping = false;

  constructor(params: {
    runtime: Pick<ContainerRuntime, 'list' | 'release' | 'remove'>;
    engine: Pick<Engine, 'get'>;
    clock: Clock;
    log: TaskLog;
  }) {
    this.#runtime = params.runtime;
    this.#engine = params.engine;
    this.#clock = params.clock;
    this.#log = params.log;
    this.#trouble = new Trouble({
      log: params.log,
      begins: 'containers could not be looked after',
      ends: 'containers are looked after again',
    });
    this.#loop = new Loop({ clock: params.clock, intervalMs, pass: () => this.#tryPass() });
  }

  start(): void {
    void this.#loop.start();
  }

  /** Waits for what is being removed. */
  stop(): Promise<void> {
    this.#stopping = true;
    return this.#loop.stop();
  }

  async #tryPass(): Promise<void> {
    const now = this.#clock.monotonic();
    if (this.#idleSince !== undefined && now - this.#idleSince < idleMs) return;
    try {
      this.#idleSince = (await this.keep()) === 0 ? now : undefined;
      this.#trouble.over();
    } catch (error) {
      this.#trouble.met({ error: String(error) });
    }
  }

  /**
   * One look, as the loop makes it.
   * @returns how many containers there were.
   * @throws the first failure, once all others were seen to.
   */
  async keep(): Promise<number> {
    const containers = await this.#runtime.list();
    const missed = new Set<string>();
    const failures: unknown[] = [];
    for (let at = 0; at < containers.length && !this.#stopping; at += atOnce) {
      const seen = containers.slice(at, at + atOnce).map(async ({ jobId, running }) => {
        const status = (await this.#engine.get({ id: jobId }))?.status;
        if (status === undefined) missed.add(jobId);
        await this.#see({ jobId, running, status });
      });
      for (const outcome of await Promise.allSettled(seen)) {
        if (outcome.status === 'rejected') failures.push(outcome.reason);
      }
    }
    this.#missed = missed;
    if (failures.length > 0) throw failures[0];
    return containers.length;
  }

  async #see(container: { jobId: string; running: boolean; status: Status | undefined }): Promise<void> {
    const { jobId, running, status } = container;
    const verdict = judge({ status, running, missed: this.#missed.has(jobId) });
    if (verdict === 'release') await this.#runtime.release({ jobId });
    if (verdict !== 'remove') return;
    await this.#runtime.remove({ jobId });
    this.#log.info('a container that no job needs was removed', {
      job: jobId,
      status: status ?? 'unknown',
    });
  }
}
