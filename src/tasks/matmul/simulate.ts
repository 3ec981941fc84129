/**
 * A product that is not computed: the attempt holds its slot for the given time and uses no CPU. For load tests
 * of everything around the multiplication, on machines that could not carry the real one.
 */
import type { Clock } from '../../clock.js';
import { holdSlot } from '../hold-slot.js';
import type { TaskContext } from '../task.js';
import type { MatmulInput, SimulatedProduct } from './input.js';
import { productShape } from './shape.js';

/** The matrices are not even read. It ends at once when the signal aborts. */
export async function simulateProduct(
  input: MatmulInput,
  seconds: number,
  context: Pick<TaskContext, 'signal' | 'progress'>,
  clock: Clock,
): Promise<SimulatedProduct> {
  const { m, n } = productShape(input);
  const total = await holdSlot(seconds, context, clock);
  return { simulated: true, rows: m, cols: n, seconds: { total } };
}
