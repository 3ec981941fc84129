/**
 * A product that is not computed: the attempt holds its slot for the given time and uses no CPU. For load tests
 * of everything around the multiplication, on machines that could not carry the real one.
 */
import type { Clock } from '../../clock.js';
import type { TaskContext } from '../task.js';
import type { MatmulInput, SimulatedProduct } from './input.js';
import { productShape } from './shape.js';

const progressMs = 500;

/** The matrices are not even read. It ends at once when the signal aborts. */
export async function simulateProduct(
  input: MatmulInput,
  seconds: number,
  context: Pick<TaskContext, 'signal' | 'progress'>,
  clock: Clock,
): Promise<SimulatedProduct> {
  const { m, n } = productShape(input);
  const ms = 1000 * seconds;
  const start = clock.monotonic();
  for (let held = 0; held < ms; held = clock.monotonic() - start) {
    context.progress(held / ms);
    await clock.sleep(Math.min(progressMs, ms - held), context.signal);
  }
  context.progress(1);
  return { simulated: true, rows: m, cols: n, seconds: { total: (clock.monotonic() - start) / 1000 } };
}
