/** Whose turn it is among the priorities, for each set of types that is asked for together. */
import { newTurns, type Turns } from '../jobs/priority.js';

/** More sets of types than workers ever ask for. */
const mostTurns = 1_000;

/**
 * Claims of the same types share their turns. Claims of other types have turns of their own: what there is for
 * them, or is not, takes nobody else's turn away. Only a matter of order: that a restart begins anew, or a claim
 * fails after it, harms nobody.
 */
export class SharedTurns {
  readonly #turns = new Map<string, Turns>();

  of(types: Iterable<string>): Turns {
    const name = JSON.stringify([...types].sort());
    const known = this.#turns.get(name);
    if (known) return known;
    if (this.#turns.size >= mostTurns) this.#turns.clear();
    const turns = newTurns();
    this.#turns.set(name, turns);
    return turns;
  }
}
