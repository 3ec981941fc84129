/** Which jobs a claim gets: the priorities take their turns, and within one goes first who has waited longest. */
import { priorities, takeTurn } from '../../jobs/priority.js';
import { SharedTurns } from '../turns.js';
import type { Counters } from './counters.js';
import { priorityNumber } from './rows.js';
import type { Statements } from './statements.js';

export class HandOut {
  readonly #sql: Statements;
  readonly #counters: Counters;
  readonly #turns = new SharedTurns();

  constructor(sql: Statements, counters: Counters) {
    this.#sql = sql;
    this.#counters = counters;
  }

  /** @returns at most `max` seqs, in the order of their turns. */
  pick(types: readonly string[], max: number): number[] {
    const distinct = new Set(types);
    const turns = this.#turns.of(distinct);
    const waiting = priorities.map((priority) => this.#waiting(distinct, priorityNumber(priority), max));
    const of = (priority: (typeof priorities)[number]) => waiting[priorityNumber(priority)]!;
    const picked: number[] = [];
    while (picked.length < max) {
      const priority = takeTurn(turns, (which) => of(which).length > 0);
      if (priority === undefined) break;
      picked.push(of(priority).pop()!);
    }
    return picked;
  }

  /** The next one is at the end. */
  #waiting(types: ReadonlySet<string>, priority: number, limit: number): number[] {
    const ready = [...types]
      .filter((type) => this.#counters.ready(type, priority) > 0)
      .map((type) => this.#sql.ready.all({ type, priority, limit }));
    const all = ready.length === 1 ? ready[0]! : ready.flat();
    if (ready.length > 1) all.sort((a, b) => a.readyAt - b.readyAt || a.seq - b.seq);
    return all.map(({ seq }) => seq).reverse();
  }
}
