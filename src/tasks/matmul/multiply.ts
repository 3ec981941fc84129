/** The loop: row panels of C, each summed over blocks of k, checked, and handed on. */
import type { Clock } from '../../clock.js';
import { allocate, release } from './buffers.js';
import { allFinite } from './check-sums.js';
import { FreivaldsCheck } from './freivalds.js';
import type { Check, Dtype } from './input.js';
import { arrayOn, elementSize, type FloatArray, type Gemm, type Kernel } from './kernel/kernel.js';
import type { Plan } from './plan.js';
import type { MatrixSource } from './source.js';

export interface MultiplyParams {
  a: MatrixSource;
  b: MatrixSource;
  dtype: Dtype;
  plan: Plan;
  kernel: Kernel;
  clock: Clock;
  signal: AbortSignal;
  threads: () => number;
  progress: (fraction: number) => void;
  /** Seed of the check; undefined turns it off. */
  checkSeed: number | undefined;
  /** Takes the next rows of C, as bytes. The next panel overwrites them. */
  write: (bytes: Uint8Array) => Promise<void>;
}

export interface Multiplied {
  check: Check;
  finite: boolean;
  /** Spent in the kernel's calls, and in the check. */
  multiplyMs: number;
  checkMs: number;
}

/** Bytes handed on at a time. */
const writeSize = 8 * 1024 * 1024;

/**
 * @throws DrayError `wrong-product`; the signal's reason soon after it aborts; what sources, kernel and `write`
 * throw. The buffers are given back in every case.
 */
export async function multiply(params: MultiplyParams): Promise<Multiplied> {
  const { plan, dtype } = params;
  const made: ArrayBuffer[] = [];
  const buffer = (elements: number): FloatArray => {
    const memory = allocate(elements * elementSize(dtype));
    made.push(memory);
    return arrayOn(dtype, memory, elements);
  };
  const buffers = (count: number, elements: number): FloatArray[] =>
    Array.from({ length: count }, () => buffer(elements));
  try {
    const product = new Product(params, {
      a: buffers(plan.buffersOfA, plan.elements.a),
      b: buffers(plan.buffersOfB, plan.elements.b),
      c: buffer(plan.elements.c),
    });
    return await product.run();
  } finally {
    await release(made);
  }
}

interface Buffers {
  a: readonly FloatArray[];
  b: readonly FloatArray[];
  c: FloatArray;
}

/** One block of the loop, in the order in which blocks are made. */
interface Step {
  r0: number;
  r1: number;
  k0: number;
  k1: number;
  /** Counts the blocks, to alternate between buffers. */
  index: number;
}

class Product {
  readonly #p: MultiplyParams;
  readonly #buffers: Buffers;
  readonly #check: FreivaldsCheck | undefined;
  readonly #m: number;
  readonly #k: number;
  readonly #n: number;
  #flops = 0;
  #multiplyMs = 0;
  #checkMs = 0;
  #finite = true;

  constructor(params: MultiplyParams, buffers: Buffers) {
    this.#p = params;
    this.#buffers = buffers;
    this.#m = params.a.rows;
    this.#k = params.a.cols;
    this.#n = params.b.cols;
    if (params.checkSeed === undefined) return;
    this.#check = new FreivaldsCheck({
      k: this.#k,
      n: this.#n,
      dtype: params.dtype,
      panelRows: params.plan.panelRows,
      kBlock: params.plan.kBlock,
      seed: params.checkSeed,
      pause: () => this.#pause(),
    });
  }

  async run(): Promise<Multiplied> {
    const steps = this.#steps();
    let next: Step | undefined = steps.next().value;
    let loading = next && this.#load(next);
    try {
      while (next !== undefined) {
        const step = next;
        await loading;
        next = steps.next().value;
        // With one buffer the next block would overwrite this one, so it waits.
        const ahead = next !== undefined && this.#canLoadAhead(step, next);
        loading = ahead ? this.#load(next!) : undefined;
        loading?.catch(() => undefined); // rethrown where it is awaited
        await this.#multiplyBlock(step);
        if (step.k1 === this.#k) await this.#finishPanel(step);
        if (next !== undefined) loading ??= this.#load(next);
      }
    } finally {
      await Promise.allSettled([loading]); // it still writes into a buffer
    }
    return {
      check: this.#check?.result() ?? { status: 'not checked', reason: 'the job asked for no check' },
      finite: this.#finite,
      multiplyMs: this.#multiplyMs,
      checkMs: this.#checkMs,
    };
  }

  *#steps(): Generator<Step, undefined> {
    const { panelRows, kBlock } = this.#p.plan;
    let index = 0;
    for (let r0 = 0; r0 < this.#m; r0 += panelRows)
      for (let k0 = 0; k0 < this.#k; k0 += kBlock)
        yield {
          r0,
          r1: Math.min(this.#m, r0 + panelRows),
          k0,
          k1: Math.min(this.#k, k0 + kBlock),
          index: index++,
        };
    return undefined;
  }

  #canLoadAhead(step: Step, next: Step): boolean {
    const { buffersOfB, holdA } = this.#p.plan;
    return buffersOfB === 2 && (!holdA || step.r0 === next.r0);
  }

  #blockOfA(step: Step): { array: FloatArray; ld: number } {
    const { holdA } = this.#p.plan;
    const array = this.#buffers.a[step.index % this.#buffers.a.length]!;
    return holdA ? { array: array.subarray(step.k0), ld: this.#k } : { array, ld: step.k1 - step.k0 };
  }

  #blockOfB(step: Step): FloatArray {
    return this.#buffers.b[step.index % this.#buffers.b.length]!;
  }

  async #load(step: Step): Promise<void> {
    const { a, b, plan, signal } = this.#p;
    const { r0, r1, k0, k1 } = step;
    const block = this.#blockOfA(step);
    if (!plan.holdA) await a.load({ r0, r1, c0: k0, c1: k1, target: block.array, ld: block.ld, signal });
    else if (k0 === 0)
      await a.load({ r0, r1, c0: 0, c1: this.#k, target: block.array, ld: block.ld, signal });
    const target = this.#blockOfB(step);
    // Where all of B stays in its one buffer, the first panel has loaded it.
    if (plan.buffersOfB === 2 || r0 === 0)
      await b.load({ r0: k0, r1: k1, c0: 0, c1: this.#n, target, ld: this.#n, signal });
  }

  /**
   * In calls of well under a second each: between them the signal is seen and the number of threads may change.
   */
  async #multiplyBlock(step: Step): Promise<void> {
    const { kernel, threads } = this.#p;
    const n = this.#n;
    const rows = step.r1 - step.r0;
    const depth = step.k1 - step.k0;
    const { array: a, ld: lda } = this.#blockOfA(step);
    const b = this.#blockOfB(step);
    const { c } = this.#buffers;
    for (const { i, j, p, height, width, length } of callsOf({ rows, cols: n, depth }, kernel, threads())) {
      this.#p.signal.throwIfAborted();
      kernel.setThreads(threads());
      const start = this.#p.clock.monotonic();
      await this.#call({
        a: a.subarray(i * lda + p),
        lda,
        b: b.subarray(p * n + j),
        ldb: n,
        c: c.subarray(i * n + j),
        ldc: n,
        m: height,
        n: width,
        k: length,
        beta: step.k0 + p === 0 ? 0 : 1,
      });
      this.#multiplyMs += this.#p.clock.monotonic() - start;
      this.#flops += height * width * length;
      this.#p.progress((0.98 * this.#flops) / (this.#m * n * this.#k));
    }
    await this.#timed(() => this.#check?.absorb({ a, lda, b, ldb: n, rows, depth }));
  }

  #call(call: Gemm<FloatArray>): Promise<void> {
    return this.#p.dtype === 'float64'
      ? this.#p.kernel.gemm64(call as Gemm<Float64Array>)
      : this.#p.kernel.gemm32(call as Gemm<Float32Array>);
  }

  /** A panel is checked before it leaves. */
  async #finishPanel({ r0, r1 }: Step): Promise<void> {
    const c = this.#buffers.c.subarray(0, (r1 - r0) * this.#n);
    await this.#timed(async () => {
      await this.#check?.finishPanel({ c, ldc: this.#n, rows: r1 - r0, r0 });
      if (this.#check?.result().status !== 'passed') this.#finite &&= allFinite(c);
      this.#check?.startPanel();
    });
    const bytes = new Uint8Array(c.buffer, c.byteOffset, c.byteLength);
    for (let at = 0; at < bytes.length; at += writeSize) {
      this.#p.signal.throwIfAborted();
      await this.#p.write(bytes.subarray(at, at + writeSize));
    }
  }

  async #timed(run: () => Promise<void> | undefined): Promise<void> {
    const start = this.#p.clock.monotonic();
    await run();
    this.#checkMs += this.#p.clock.monotonic() - start;
  }

  async #pause(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.#p.signal.throwIfAborted();
  }
}

interface Part {
  i: number;
  j: number;
  p: number;
  height: number;
  width: number;
  length: number;
}

/** The calls of one block: sums no longer than the kernel needs, over parts of C as square as they can be. */
function* callsOf(
  { rows, cols, depth }: { rows: number; cols: number; depth: number },
  { flopsPerCall, depthPerCall }: Kernel,
  threads: number,
): Generator<Part> {
  const volume = (flopsPerCall * Math.max(1, threads)) / 2;
  const sumLength = even(depth, Math.max(depthPerCall, volume / (rows * cols)));
  const area = volume / sumLength;
  const tileRows = even(rows, Math.max(Math.sqrt(area), area / cols));
  const tileCols = even(cols, area / tileRows);
  for (let i = 0; i < rows; i += tileRows)
    for (let j = 0; j < cols; j += tileCols)
      for (let p = 0; p < depth; p += sumLength)
        yield {
          i,
          j,
          p,
          height: Math.min(tileRows, rows - i),
          width: Math.min(tileCols, cols - j),
          length: Math.min(sumLength, depth - p),
        };
}

/** The largest length that cuts `whole` into parts of nearly equal size, none above `part` or 1. */
function even(whole: number, part: number): number {
  return Math.ceil(whole / Math.ceil(whole / Math.max(1, Math.floor(part))));
}
