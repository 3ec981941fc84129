/**
 * Says of each worker's pod what it would cost to delete it, so that Kubernetes deletes idle ones first where there
 * are too many: as many slots as are busy in it. What is not said counts as 0, which is idle.
 */
import type { Clock } from '../clock.js';
import { Trouble, type Log } from '../log.js';
import { ApiError, isAnswer, type Api } from './api.js';

export const costAnnotation = 'controller.kubernetes.io/pod-deletion-cost';
/** What a pod of a worker has, and no other. */
export const poolLabel = 'dray.dev/pool';

/** Between two writes to one pod. */
const pauseMs = 1_000;
const atOnce = 8;
/** How long a name is not asked for again that is no pod of ours: workers may run elsewhere too. */
const strangerMs = 60_000;

interface Known {
  /** By which another pod of its name is told from it. */
  readonly uid: string;
  readonly cost: number;
  readonly writtenAt: number;
}

interface Pod {
  readonly metadata: {
    readonly uid: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
}

export class DeletionCosts {
  readonly #api: Api;
  readonly #clock: Clock;
  readonly #trouble: Trouble;
  readonly #known = new Map<string, Known>();
  /** Until when. */
  readonly #strangers = new Map<string, number>();
  /** One at a time: a second would write what the first has just written. */
  #passing: Promise<void> = Promise.resolve();
  /** The one that comes next. */
  #waiting: { busy: ReadonlyMap<string, number>; readonly done: Promise<void> } | undefined;

  constructor(params: { api: Api; clock: Clock; log: Log }) {
    this.#api = params.api;
    this.#clock = params.clock;
    this.#trouble = new Trouble({
      log: params.log,
      begins: 'pods cannot be told what they cost: busy ones may go first',
      ends: 'pods are told again what they cost',
    });
  }

  /**
   * Brings the pods up to date, and resolves when they are. What fails is left to the next call, and so is a pod that was
   * written to less than a second ago.
   * @param busy slots of each worker process, by the name of its pod: all that there are.
   */
  write(busy: ReadonlyMap<string, number>): Promise<void> {
    if (this.#waiting) {
      this.#waiting.busy = busy;
      return this.#waiting.done;
    }
    const done = this.#passing.then(() => {
      const latest = this.#waiting?.busy ?? busy;
      this.#waiting = undefined;
      return this.#pass(latest);
    });
    this.#waiting = { busy, done };
    return (this.#passing = done);
  }

  async #pass(busy: ReadonlyMap<string, number>): Promise<void> {
    const now = this.#clock.monotonic();
    for (const pod of this.#known.keys()) if (!busy.has(pod)) this.#known.delete(pod);
    for (const [pod, until] of this.#strangers) if (until <= now) this.#strangers.delete(pod);
    const changed = [...busy].filter(
      ([pod, cost]) => !this.#strangers.has(pod) && this.#known.get(pod)?.cost !== cost,
    );
    let failure: Error | undefined;
    const next = changed.values();
    const one = async (): Promise<void> => {
      for (const [pod, cost] of next) {
        await this.#set(pod, cost).catch((error: unknown) => {
          failure = error as Error;
          // What we may not do will not be allowed a second later.
          if (error instanceof ApiError && error.forbidden) this.#forget(pod);
        });
      }
    };
    await Promise.all(Array.from({ length: Math.min(atOnce, changed.length) }, one));
    if (failure !== undefined) this.#trouble.met({ error: failure.message });
    else if (changed.length > 0) this.#trouble.over();
  }

  async #set(pod: string, cost: number): Promise<void> {
    const known = this.#known.get(pod) ?? (await this.#look(pod));
    if (!known || known.cost === cost || this.#clock.monotonic() < known.writtenAt + pauseMs) return;
    const { uid } = known;
    try {
      await this.#api.patch(this.#api.pods(pod), {
        metadata: { uid, annotations: { [costAnnotation]: String(cost) } },
      });
      this.#known.set(pod, { uid, cost, writtenAt: this.#clock.monotonic() });
    } catch (error) {
      this.#known.delete(pod);
      // Gone, or another one of its name by now.
      if (!isAnswer(error, 404) && !isAnswer(error, 409)) throw error;
    }
  }

  /** @returns undefined where there is no such pod, or it is not one of ours. */
  async #look(name: string): Promise<Known | undefined> {
    const pod = await this.#api.get<Pod>(this.#api.pods(encodeURIComponent(name))).catch((error: unknown) => {
      if (isAnswer(error, 404)) return undefined;
      throw error;
    });
    if (pod?.metadata.labels?.[poolLabel] === undefined) {
      this.#forget(name);
      return undefined;
    }
    const cost = Number(pod.metadata.annotations?.[costAnnotation] ?? 0);
    const known = { uid: pod.metadata.uid, cost, writtenAt: -Infinity };
    this.#known.set(name, known);
    return known;
  }

  #forget(name: string): void {
    this.#strangers.set(name, this.#clock.monotonic() + strangerMs);
  }
}
