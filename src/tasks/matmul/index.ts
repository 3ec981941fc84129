/** The job type `matmul`: the product of two real matrices. */
import { systemClock, type Clock } from '../../clock.js';
import { defineTask, type TaskContext } from '../task.js';
import { admitMatmul } from './admit.js';
import { MatmulInput, MatmulOutput, type MatmulProduct } from './input.js';
import { matrixField } from './json-rows.js';
import { elementSize, type Kernel } from './kernel/kernel.js';
import { loadKernel, type LoadedKernel } from './kernel/load.js';
import { multiply } from './multiply.js';
import { memoryOverhead, plan } from './plan.js';
import { seedOf } from './random.js';
import { openProduct } from './product.js';
import { representOutput } from './represent.js';
import { workOf } from './shape.js';
import { simulateProduct } from './simulate.js';
import { openSource } from './source.js';
import { noUrls, type UrlObjects } from './stored-bytes.js';

export interface MatmulOptions {
  /** Path of the CBLAS library, or `none` for the TypeScript kernel; by default the first known one that loads. */
  blas?: string;
  /** The process's environment, which a native library reads while it loads. */
  environment: NodeJS.ProcessEnv;
  /** Above 0 nothing is multiplied: each attempt holds its slot for so long and says so in its output. */
  simulateSeconds?: number;
  /** What inputs by url are read from; by default there are none. */
  urls?: UrlObjects;
  clock?: Clock;
}

/** The task; its kernel is loaded by the first run of a process. */
export function createMatmul(options: MatmulOptions) {
  const { blas: path, environment, simulateSeconds = 0, urls = noUrls, clock = systemClock } = options;
  const simulated = simulateSeconds > 0;
  let loaded: Promise<LoadedKernel> | undefined;
  const kernelFor = async (context: TaskContext): Promise<Kernel> => {
    const first = loaded === undefined;
    loaded ??= loadKernel({ path, environment });
    const { kernel, advice } = await loaded;
    if (first && advice !== undefined) context.log.warn(advice);
    return kernel;
  };
  return defineTask({
    type: 'matmul',
    description: 'The product of two real matrices, checked.',
    input: MatmulInput,
    output: MatmulOutput,
    fields: { a: matrixField, b: matrixField },
    admit: (input, context) => admitMatmul(input, context, urls),
    work: (input) => (simulated ? 1 : workOf(input)),
    run: async (input, context) =>
      simulated
        ? simulateProduct(input, simulateSeconds, context, clock)
        : run(input, context, { kernel: await kernelFor(context), urls, clock }),
    represent: representOutput,
  });
}

async function run(
  input: MatmulInput,
  context: TaskContext,
  { kernel, urls, clock }: { kernel: Kernel; urls: UrlObjects; clock: Clock },
): Promise<MatmulProduct> {
  const start = clock.monotonic();
  const { blobs, signal } = context;
  const dtype = input.dtype ?? 'float64';
  const a = await openSource(blobs, input.a, 'input.a', urls);
  const b = await openSource(blobs, input.b, 'input.b', urls);
  const [rows, cols] = [a.rows, b.cols];
  const size = { m: rows, k: a.cols, n: cols, elementSize: elementSize(dtype) };
  const planned = plan({ ...size, budget: context.memoryLimit - memoryOverhead(context.threads()) });
  const writer = await openProduct(blobs, { rows, cols, dtype });
  try {
    const { check, finite, multiplyMs, checkMs } = await multiply({
      a,
      b,
      dtype,
      plan: planned,
      kernel,
      clock,
      signal,
      threads: () => context.threads(),
      progress: (fraction) => context.progress(fraction),
      checkSeed: input.verify === false ? undefined : seedOf(`${context.jobId} ${context.attempt}`),
      write: (bytes) => writer.write(bytes),
    });
    signal.throwIfAborted();
    const where = await writer.commit();
    const total = (clock.monotonic() - start) / 1000;
    const seconds = { multiply: multiplyMs / 1000, check: checkMs / 1000, total };
    const gflops = multiplyMs > 0 ? (2 * rows * a.cols * cols) / multiplyMs / 1e6 : 0;
    context.progress(1);
    return { ...where, rows, cols, dtype, seconds, gflops, kernel: kernel.name, check, finite };
  } catch (error) {
    await writer.abort();
    throw error;
  }
}
