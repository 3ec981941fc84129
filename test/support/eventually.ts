/** Asks until the answer is right; the test's own time limit ends it where it never is. */
import { systemClock } from '../../src/clock.js';

export async function eventually<T>(ask: () => T | Promise<T>, right: (answer: T) => boolean): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (right(answer)) return answer;
    await systemClock.sleep(20);
  }
}
