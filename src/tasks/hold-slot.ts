/** Work that is only simulated: an attempt holds its slot for some time and uses no CPU. */
import type { Clock } from '../clock.js';
import type { TaskContext } from './task.js';

const progressMs = 500;

/**
 * Ends at once when the signal aborts.
 * @returns how long the slot was held, in seconds.
 */
export async function holdSlot(
  seconds: number,
  context: Pick<TaskContext, 'signal' | 'progress'>,
  clock: Clock,
): Promise<number> {
  const ms = 1000 * seconds;
  const start = clock.monotonic();
  for (let held = 0; held < ms; held = clock.monotonic() - start) {
    context.progress(held / ms);
    await clock.sleep(Math.min(progressMs, ms - held), context.signal);
  }
  context.progress(1);
  return (clock.monotonic() - start) / 1000;
}
