/**
 * Three ways to scale the same workers for the same jobs, reckoned step by step: Dray's own rule, the queue's length as
 * KEDA takes it, and CPU, each behind a HorizontalPodAutoscaler as Kubernetes has it. docs/scaling.md shows what comes out.
 *
 * What is left out is left out for all three: nodes that must come first, images that must be pulled, figures that
 * RabbitMQ tells late. Times in seconds.
 */
import { observe, snapshotOf, type LoadEstimate } from '../../src/jobs/load.js';
import { planScale } from '../../src/jobs/scaling.js';

export interface Burst {
  readonly jobs: number;
  /** In which they come, evenly. */
  readonly within: number;
  readonly seconds: number;
  /** False where a job waits for something else while it has its slot. */
  readonly computes: boolean;
}

/** `messages`: how many of them, waiting and running, one worker is for. */
export type Rule = { readonly kind: 'dray' | 'cpu' } | { readonly kind: 'queue'; readonly messages: number };

export interface Outcome {
  /** When the last job has ended. */
  readonly doneAt: number;
  /** Of the waits of all jobs, from submission to start. */
  readonly medianWait: number;
  readonly longestWait: number;
  readonly mostWorkers: number;
  /** Until the workers are as few again as they were. */
  readonly workerSeconds: number;
}

export const settings = {
  slots: 2,
  min: 1,
  max: 20,
  drainTarget: 60,
  slo: 300,
  utilisation: 0.8,
  /** From a pod's creation to its first claim. */
  podStart: 3,
  /** Of the cores that a worker asks for, as many as it has slots. */
  cpuTarget: 0.7,
  cpuWindow: 15,
  hpaSync: 15,
  tolerance: 0.1,
  stabilisation: 60,
} as const;

const step = 0.25;
const longest = 3_600;

interface Pod {
  readonly readyAt: number;
  /** When each of its slots is free again; the slots that are free are not in it. */
  busyUntil: number[];
  stopping: boolean;
  /** Core seconds since the last look at it. */
  used: number;
  /** Mean cores of the last whole window. */
  cores: number | undefined;
}

export function simulate(rule: Rule, burst: Burst): Outcome {
  const { slots, min, hpaSync, cpuWindow, podStart } = settings;
  const arrivals = Array.from({ length: burst.jobs }, (_, i) => (i * burst.within) / burst.jobs);
  const waits: number[] = [];
  let pods: Pod[] = [newPod(0)];
  let arrived = 0;
  let completed = 0;
  let workerSeconds = 0;
  let mostWorkers = 0;
  let doneAt = 0;
  let estimate: LoadEstimate | undefined;
  const hpa = new Autoscaler();

  for (let now = 0; now < longest; now += step) {
    for (const pod of pods) {
      const running = pod.busyUntil.filter((until) => until > now);
      completed += pod.busyUntil.length - running.length;
      pod.busyUntil = running;
    }
    if (completed === burst.jobs && doneAt === 0) doneAt = now;
    pods = pods.filter((pod) => !pod.stopping || pod.busyUntil.length > 0);
    while (arrived < burst.jobs && arrivals[arrived]! <= now) arrived++;
    for (const pod of pods) {
      if (pod.stopping || pod.readyAt > now) continue;
      while (pod.busyUntil.length < slots && waits.length < arrived) {
        waits.push(now - arrivals[waits.length]!);
        pod.busyUntil.push(now + burst.seconds);
      }
    }
    const alive = pods.filter((pod) => !pod.stopping);
    const busy = pods.filter((pod) => pod.busyUntil.length > 0);
    const waiting = arrived - waits.length;

    if (Number.isInteger(now)) {
      const oldestPendingAt = waiting > 0 ? 1_000 * arrivals[waits.length]! : undefined;
      estimate = observe(estimate, {
        at: 1_000 * now,
        now: 1_000 * now,
        types: [
          {
            type: 'job',
            jobs: { pending: waiting },
            held: 0,
            paused: false,
            pendingWork: waiting,
            ...(oldestPendingAt !== undefined && { oldestPendingAt }),
            totals: {
              submitted: arrived,
              attempts: { completed },
              ranMs: 1_000 * completed * burst.seconds,
              work: completed,
            },
          },
        ],
      });
    }
    for (const pod of alive) if (burst.computes) pod.used += pod.busyUntil.length * step;
    if (now > 0 && now % cpuWindow === 0) {
      for (const pod of alive) {
        pod.cores = now - pod.readyAt >= cpuWindow ? pod.used / cpuWindow : undefined;
        pod.used = 0;
      }
    }

    if (now > 0 && now % hpaSync === 0) {
      const wanted = hpa.replicas(now, alive.length, () => {
        if (rule.kind === 'queue')
          return byAverage((waiting + inProgress(pods)) / rule.messages, alive.length);
        if (rule.kind === 'cpu') return byCpu(alive);
        const load = {
          busyWorkers: busy.length,
          currentWorkers: alive.filter((pod) => pod.readyAt <= now).length,
        };
        const plan = planScale(snapshotOf(estimate!, load), { ...settings, slotsPerWorker: slots });
        if (plan.kind === 'unknown') throw new Error(plan.reason);
        return byAverage(plan.desired, alive.length);
      });
      for (let more = alive.length; more < wanted; more++) pods.push(newPod(now + podStart));
      // The idle ones first, by their deletion cost; all three are given that.
      const idleFirst = [...alive].sort((a, b) => a.busyUntil.length - b.busyUntil.length);
      for (const pod of idleFirst.slice(0, Math.max(0, alive.length - wanted))) pod.stopping = true;
    }
    mostWorkers = Math.max(mostWorkers, pods.length);
    workerSeconds += pods.length * step;
    if (doneAt > 0 && pods.length === min) break;
  }

  waits.sort((a, b) => a - b);
  return {
    doneAt,
    medianWait: waits[Math.floor(waits.length / 2)]!,
    longestWait: waits.at(-1)!,
    mostWorkers,
    workerSeconds,
  };
}

function newPod(readyAt: number): Pod {
  return { readyAt, busyUntil: [], stopping: false, used: 0, cores: undefined };
}

function inProgress(pods: readonly Pod[]): number {
  return pods.reduce((sum, pod) => sum + pod.busyUntil.length, 0);
}

/** An external metric with a target of AverageValue 1; near the target nothing is changed. */
function byAverage(value: number, current: number): number {
  return within(value / current) ? current : Math.ceil(value);
}

/** A resource metric: pods that have no whole window yet are left out, and count as idle where more are wanted. */
function byCpu(pods: readonly Pod[]): number {
  const known = pods.flatMap(({ cores }) => (cores === undefined ? [] : [cores]));
  if (known.length === 0) return pods.length;
  const ratioOf = (count: number) =>
    known.reduce((sum, cores) => sum + cores, 0) / (count * settings.slots * settings.cpuTarget);
  const ratio = ratioOf(known.length);
  if (known.length === pods.length || ratio <= 1) {
    return within(ratio) ? pods.length : Math.ceil(ratio * known.length);
  }
  const diluted = ratioOf(pods.length);
  return within(diluted) || diluted < 1 ? pods.length : Math.ceil(diluted * pods.length);
}

function within(ratio: number): boolean {
  return Math.abs(ratio - 1) <= settings.tolerance;
}

/** The bounds, the speed of growth, and the pause before workers go, as the chart sets them. */
class Autoscaler {
  #recommended: { readonly at: number; readonly replicas: number }[] = [];

  replicas(now: number, current: number, recommend: () => number): number {
    const { min, max, stabilisation } = settings;
    const wanted = Math.min(max, Math.max(min, recommend()));
    this.#recommended = this.#recommended.filter(({ at }) => at > now - stabilisation);
    this.#recommended.push({ at: now, replicas: wanted });
    if (wanted >= current) return Math.min(wanted, Math.max(2 * current, current + 4));
    return Math.min(current, Math.max(...this.#recommended.map(({ replicas }) => replicas)));
  }
}
