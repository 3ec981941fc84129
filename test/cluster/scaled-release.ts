/** A release with two pools that are scaled, and the bursts that they follow. */
import { expect } from 'vitest';
import { ended, expectOnceEach, firstNewWorker, submitBurst, type Burst } from './bursts.js';
import { Recorder, type Sample } from './recorder.js';
import { saveRecording } from './recordings.js';
import { installRelease, type Mode, type Release } from './release.js';

export const slots = 4;
export const drainGraceSeconds = 10;
/** Of the pool `default`, which never goes below one worker. */
export const most = 5;
/** Of the pool `beside`, which has none while idle, and whose jobs hold their slot for a second. */
const mostBeside = 3;

const values = (scalesToZero: boolean) => ({
  workers: {
    defaults: { slots, drainTarget: '10s', drainGraceSeconds },
    pools: {
      default: { min: 1, max: most },
      beside: {
        types: ['start-end'],
        min: scalesToZero ? 0 : 1,
        max: mostBeside,
        options: { simulate: '1s' },
      },
    },
  },
  autoscaling: { scaleDownStabilizationSeconds: 15 },
});

interface Following {
  /** Of the burst and its recording. */
  readonly name: string;
  readonly pool: string;
  readonly min: number;
  readonly max: number;
  readonly submit: () => Promise<Burst>;
}

export class ScaledRelease {
  #release: Release | undefined;
  readonly #values: object;
  readonly #recorders: Recorder[] = [];

  /** @param scalesToZero whether the cluster lets an HPA have none. */
  constructor(scalesToZero: boolean) {
    this.#values = values(scalesToZero);
  }

  get release(): Release {
    if (!this.#release) throw new Error('it is not installed yet');
    return this.#release;
  }

  /** Installed the first time, it goes from mode to mode then. */
  async be(mode: Mode, more: object = {}): Promise<void> {
    if (this.#release) await this.#release.upgrade({ autoscaling: { mode } }, more);
    else this.#release = await installRelease({ values: [this.#values, { autoscaling: { mode } }, more] });
  }

  record(pool: string): Recorder {
    const recorder = new Recorder(this.release, pool);
    this.#recorders.push(recorder);
    return recorder;
  }

  /** All recordings end. */
  async rest(): Promise<void> {
    await Promise.all(this.#recorders.splice(0).map((recorder) => recorder.stop()));
  }

  async cleanup(): Promise<void> {
    await this.#release?.cleanup();
  }

  /** @param seconds of the job of this number. */
  sleeps(params: { label: string; count: number; over?: number; seconds: (index: number) => number }) {
    const { label, count, over = 0, seconds } = params;
    const input = (index: number) => ({ seconds: seconds(index) });
    return submitBurst(this.release, { label, count, seconds: over, type: 'sleep', input });
  }

  /** A thousand jobs of a second within a minute, which a single worker would work on for four. */
  followBurst(mode: Mode): Promise<void> {
    const label = `${mode}-burst`;
    const submit = () => this.sleeps({ label, count: 1_000, over: 50, seconds: () => 1 });
    return this.follow({ name: `${mode}-1-${most}-1`, pool: 'default', min: 1, max: most, submit });
  }

  /** Jobs of a second for the pool that has no worker. */
  followFromNone(mode: Mode): Promise<void> {
    const input = (index: number) => ({ start: `${index}`, end: 'over' });
    const burst = { label: `${mode}-from-none`, count: 100, seconds: 1, type: 'start-end', input };
    const submit = () => submitBurst(this.release, burst);
    return this.follow({
      name: `${mode}-0-${mostBeside}-0`,
      pool: 'beside',
      min: 0,
      max: mostBeside,
      submit,
    });
  }

  /** From as few workers as the pool may have to as many, and back; nothing is lost, doubled or counted on the way. */
  async follow(params: Following): Promise<void> {
    const recorder = new Recorder(this.release, params.pool);
    try {
      await this.#follow(params, recorder);
    } finally {
      await recorder.stop();
    }
  }

  async #follow({ name, min, max, submit }: Following, recorder: Recorder): Promise<void> {
    const { release } = this;
    await recorder.until(haveSettledAt(min));
    const before = (await release.client().workers()).map(({ id }) => id);
    const burst = await submit();
    const jobs = await ended(release, burst);
    await expectOnceEach(release, burst, jobs);
    await recorder.until(haveSettledAt(min));
    await saveRecording(recorder, { name, startedAt: burst.startedAt, min, max, slots, jobs: jobs.length });
    const wanted = recorder.samples.find((sample) => sample.at > burst.startedAt && sample.wanted > min);
    const wantedAfter = wanted && (wanted.at - burst.startedAt) / 1_000;
    const computedAfter = firstNewWorker(burst, jobs, before);
    console.log(
      `${name}: from the first submit, the HPA wants more after ${wantedAfter ?? '?'} s, ` +
        `and a new worker computes after ${computedAfter ?? '?'} s`,
    );
    expect(recorder.most(({ wanted }) => wanted)).toBe(max);
    expect(recorder.most(({ ready }) => ready)).toBe(max);
  }
}

/** So many pods, all of them ready. */
export const haveSettledAt =
  (workers: number) =>
  ({ ready, pods }: Sample): boolean =>
    ready === workers && pods.length === workers;
