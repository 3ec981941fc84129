/**
 * The counts of each type, kept in memory by the thread that owns the database: read from it once, then moved
 * along by what each committed transaction did. Asking for them costs the number of types, not of jobs.
 */
import type { EndedAttempt, TypeCounts } from '../engine.js';
import { statusName, statusNumbers } from './rows.js';
import type { Statements } from './statements.js';

/** One job's step, as its transaction made it. */
export interface Step {
  readonly type: string;
  readonly work: number;
  /** Status numbers; `from` is undefined where the job is new. */
  readonly from: number | undefined;
  readonly to: number;
  /** How the attempt ended, where the step ended one. */
  readonly ended?: EndedAttempt['outcome'];
  readonly ranMs?: number;
}

interface Counter {
  /** By status number. */
  readonly jobs: number[];
  pendingWork: number;
  submitted: number;
  readonly attempts: Record<EndedAttempt['outcome'], number>;
  ranMs: number;
  work: number;
}

export class Counters {
  readonly #sql: Statements;
  readonly #counters = new Map<string, Counter>();

  /** Reads what is in the database now. */
  constructor(sql: Statements) {
    this.#sql = sql;
    for (const { type, status, jobs } of sql.count.all({})) this.#of(type).jobs[status] = jobs;
    for (const { type, work } of sql.pendingWork.all({})) this.#of(type).pendingWork = work;
  }

  /** To be called once the transaction that made the steps is committed. */
  apply(steps: readonly Step[]): void {
    for (const { type, work, from, to, ended, ranMs = 0 } of steps) {
      const counter = this.#of(type);
      if (from === undefined) counter.submitted += 1;
      else counter.jobs[from]! -= 1;
      counter.jobs[to]! += 1;
      if (from === statusNumbers.pending) counter.pendingWork -= work;
      if (to === statusNumbers.pending) counter.pendingWork += work;
      if (ended === undefined) continue;
      counter.attempts[ended] += 1;
      if (ended !== 'completed') continue;
      counter.ranMs += ranMs;
      counter.work += work;
    }
  }

  read(): TypeCounts[] {
    return [...this.#counters].map(([type, counter]) => {
      const waitingSince =
        counter.jobs[statusNumbers.pending]! > 0 ? this.#sql.waitingSince.get({ type })?.at : null;
      return {
        type,
        jobs: Object.fromEntries(
          counter.jobs.map((jobs, status) => [statusName(status), jobs]),
        ) as TypeCounts['jobs'],
        pendingWork: counter.pendingWork,
        ...(typeof waitingSince === 'number' && { oldestPendingAt: waitingSince }),
        totals: {
          submitted: counter.submitted,
          attempts: { ...counter.attempts },
          ranMs: counter.ranMs,
          work: counter.work,
        },
      };
    });
  }

  #of(type: string): Counter {
    let counter = this.#counters.get(type);
    if (!counter) {
      counter = {
        jobs: Object.keys(statusNumbers).map(() => 0),
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
