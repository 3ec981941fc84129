/**
 * The counts of each type, kept in memory by the thread that owns the database: read from it once, then moved
 * along by every step of a job. Asking for them costs the number of types, not of jobs.
 */
import type { EndedAttempt, TypeCounts } from '../engine.js';
import { priorities } from '../../jobs/priority.js';
import { statusName, statusNumbers } from './rows.js';
import type { Statements } from './statements.js';

/** One job's step. */
export interface Step {
  readonly type: string;
  readonly priority: number;
  readonly work: number;
  /** A status number, or `heldPlace`; undefined where the job is new, or where it is removed. */
  readonly from: number | undefined;
  readonly to: number | undefined;
  /** How the attempt ended, where the step ended one. */
  readonly ended?: EndedAttempt['outcome'];
  readonly ranMs?: number;
}

/** Where a pending job is that is held: it counts as pending, but cannot be claimed. */
export const heldPlace = Object.keys(statusNumbers).length;
const pending = statusNumbers.pending;

interface Counter {
  /** By status number, and of `pending` without the held ones, which have the place behind the statuses. */
  readonly jobs: number[];
  /** Of the jobs that may be claimed, by priority number. */
  readonly ready: number[];
  pendingWork: number;
  submitted: number;
  readonly attempts: Record<EndedAttempt['outcome'], number>;
  ranMs: number;
  work: number;
}

export class Counters {
  readonly #sql: Statements;
  readonly #counters = new Map<string, Counter>();
  readonly #paused = new Set<string>();

  /** Reads what is in the database now. */
  constructor(sql: Statements) {
    this.#sql = sql;
    for (const { type, status, jobs } of sql.count.all({})) this.#of(type).jobs[status] = jobs;
    for (const { type, priority, jobs, work } of sql.countReady.all({})) {
      const counter = this.#of(type);
      counter.ready[priority] = jobs;
      counter.pendingWork += work;
    }
    for (const counter of this.#counters.values()) {
      const ready = counter.ready.reduce((sum, jobs) => sum + jobs, 0);
      counter.jobs[heldPlace] = counter.jobs[pending]! - ready;
      counter.jobs[pending] = ready;
    }
    this.#readPaused();
  }

  /** Takes a step into the counts at once; `undo` takes it back where its transaction fails. */
  add(step: Step): void {
    this.#move(step, 1);
  }

  undo(steps: readonly Step[]): void {
    for (const step of steps) this.#move(step, -1);
    this.#readPaused();
  }

  /** How many jobs of the type and priority number may be claimed. */
  ready(type: string, priority: number): number {
    return this.#paused.has(type) ? 0 : (this.#counters.get(type)?.ready[priority] ?? 0);
  }

  get finished(): number {
    const { completed, failed, cancelled } = statusNumbers;
    let sum = 0;
    for (const { jobs } of this.#counters.values())
      sum += jobs[completed]! + jobs[failed]! + jobs[cancelled]!;
    return sum;
  }

  isPaused(type: string): boolean {
    return this.#paused.has(type);
  }

  setPaused(type: string, paused: boolean): void {
    if (paused) this.#paused.add(type);
    else this.#paused.delete(type);
  }

  read(): TypeCounts[] {
    for (const type of this.#paused) this.#of(type);
    return [...this.#counters]
      .filter(([type, counter]) => this.#paused.has(type) || isUsed(counter))
      .map(([type, counter]) => this.#view(type, counter));
  }

  #readPaused(): void {
    this.#paused.clear();
    for (const { type } of this.#sql.paused.all({})) this.#paused.add(type);
  }

  #view(type: string, counter: Counter): TypeCounts {
    const waiting = priorities.flatMap((_, priority) =>
      counter.ready[priority] === 0 ? [] : (this.#sql.waitingSince.get({ type, priority })?.at ?? []),
    );
    const held = counter.jobs[heldPlace]!;
    const jobs = counter.jobs.slice(0, heldPlace).map((count, status) => [statusName(status), count]);
    return {
      type,
      jobs: { ...(Object.fromEntries(jobs) as TypeCounts['jobs']), pending: counter.jobs[pending]! + held },
      held,
      paused: this.#paused.has(type),
      pendingWork: counter.pendingWork,
      ...(waiting.length > 0 && { oldestPendingAt: Math.min(...waiting) }),
      totals: {
        submitted: counter.submitted,
        attempts: { ...counter.attempts },
        ranMs: counter.ranMs,
        work: counter.work,
      },
    };
  }

  #move({ type, priority, work, from, to, ended, ranMs = 0 }: Step, by: 1 | -1): void {
    const counter = this.#of(type);
    if (from === undefined) counter.submitted += by;
    else counter.jobs[from]! -= by;
    if (to !== undefined) counter.jobs[to]! += by;
    if (from === pending) this.#moveReady(counter, priority, work, -by);
    if (to === pending) this.#moveReady(counter, priority, work, by);
    if (ended === undefined) return;
    counter.attempts[ended] += by;
    if (ended !== 'completed') return;
    counter.ranMs += by * ranMs;
    counter.work += by * work;
  }

  #moveReady(counter: Counter, priority: number, work: number, by: number): void {
    counter.ready[priority]! += by;
    counter.pendingWork += by * work;
  }

  #of(type: string): Counter {
    let counter = this.#counters.get(type);
    if (!counter) {
      counter = {
        jobs: Array.from({ length: heldPlace + 1 }, () => 0),
        ready: priorities.map(() => 0),
        pendingWork: 0,
        submitted: 0,
        attempts: { completed: 0, failed: 0, expired: 0, released: 0, cancelled: 0 },
        ranMs: 0,
        work: 0,
      };
      this.#counters.set(type, counter);
    }
    return counter;
  }
}

/** False where the only submits of a type were taken back, or it was paused and never had a job. */
function isUsed({ submitted, jobs, attempts }: Counter): boolean {
  return [submitted, ...jobs, ...Object.values(attempts)].some((count) => count > 0);
}
