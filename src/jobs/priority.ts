/** Priorities, and the turns by which they share the workers: none starves, however many higher ones come. */
export const priorities = ['high', 'normal', 'low'] as const;
export type Priority = (typeof priorities)[number];

/** Of 21 jobs that are handed out while all three wait, so many are of each. */
export const priorityWeights: Readonly<Record<Priority, number>> = { high: 16, normal: 4, low: 1 };

/** What each priority is owed. Starts at zero; a priority with nothing to hand out gathers no claim. */
export type Turns = Record<Priority, number>;

export function newTurns(): Turns {
  return { high: 0, normal: 0, low: 0 };
}

/**
 * Whose turn it is among those that have something: smooth weighted round robin, so that the turns of a lower
 * priority are spread between those of the higher ones. Notes the turn in `turns`.
 *
 * @returns undefined where none has anything.
 */
export function takeTurn(turns: Turns, has: (priority: Priority) => boolean): Priority | undefined {
  let next: Priority | undefined;
  let total = 0;
  for (const priority of priorities) {
    if (!has(priority)) {
      turns[priority] = 0;
      continue;
    }
    total += priorityWeights[priority];
    turns[priority] += priorityWeights[priority];
    if (next === undefined || turns[priority] > turns[next]) next = priority;
  }
  if (next !== undefined) turns[next] -= total;
  return next;
}
