/**
 * How a product is cut so that it fits into memory: a pure function.
 *
 * C is made in panels of rows, each the sum over blocks of k of a block of A times a block of B. Within a panel
 * A is held whole where that leaves panels high enough, because its rows are then one read; B, which every
 * panel needs anew, passes through two buffers, one being filled while the other is multiplied.
 */
import { DrayError } from '../../jobs/errors.js';
import { MiB } from '../../jobs/limits.js';
import { largestDimension } from './kernel/kernel.js';

export interface Plan {
  /** Rows of C in each panel but perhaps the last. */
  readonly panelRows: number;
  /** Columns of A, and rows of B, in each block but perhaps the last. */
  readonly kBlock: number;
  /** True where a panel's rows of A are held over all of k. */
  readonly holdA: boolean;
  /** Elements of each buffer: two of A unless held, two of B unless it is one block. */
  readonly elements: { readonly a: number; readonly b: number; readonly c: number };
  readonly buffersOfA: 1 | 2;
  readonly buffersOfB: 1 | 2;
  /** What all buffers and the check's vectors take. */
  readonly bytes: number;
}

export interface PlanRequest {
  m: number;
  k: number;
  n: number;
  /** Bytes per element, 4 or 8. */
  elementSize: number;
  /** Bytes for buffers and vectors. */
  budget: number;
}

/** Above this, reading B anew for each panel costs little beside the multiplication. */
const highPanel = 2048;
/** Deep enough for a kernel's full speed; more only where the block of B stays small. */
const goodDepth = 512;
const smallBlockBytes = 32 * MiB;
/** No array is larger: a limit of the engine, well below its own. */
const largestArray = 2 ** 33;

/**
 * Bytes of a process that are not this product's buffers: Node and the program, the pieces of blobs under way,
 * and what a BLAS takes for each thread.
 */
export function memoryOverhead(threads: number): number {
  return (220 + 40 * Math.max(1, threads)) * MiB;
}

/** @throws DrayError `out-of-memory` where not even one row of C with one row of B fits. */
export function plan(request: PlanRequest): Plan {
  const { m, k, n } = request;
  const whole = shape(request, m, k, true);
  if (fits(whole, request)) return whole;
  // Two buffers of B may take a quarter of the budget; the panel takes what is left.
  const rowOfB = n * request.elementSize;
  const wanted = Math.max(goodDepth, Math.floor(smallBlockBytes / rowOfB));
  const affordable = Math.floor(request.budget / 4 / (2 * rowOfB));
  const kBlock = Math.max(1, Math.min(k, wanted, affordable));
  const held = highest(request, kBlock, true);
  if (held !== undefined && held.panelRows >= Math.min(m, highPanel)) return held;
  const best = highest(request, kBlock, false) ?? highest(request, 1, false);
  if (best !== undefined) return best;
  const needed = shape(request, 1, 1, false).bytes;
  throw new DrayError(
    'out-of-memory',
    `one row of the ${m} × ${n} product with one row of b takes ${toMiB(needed)} MiB; an executor has ` +
      `${toMiB(request.budget)} MiB for them`,
  );
}

const toMiB = (bytes: number): number => Math.ceil(bytes / MiB);

/** The highest panels that fit, then made even, so that the last is not a sliver. */
function highest(request: PlanRequest, kBlock: number, holdA: boolean): Plan | undefined {
  let low = 0;
  let high = request.m;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (fits(shape(request, middle, kBlock, holdA), request)) low = middle;
    else high = middle - 1;
  }
  if (low === 0) return undefined;
  return shape(request, Math.ceil(request.m / Math.ceil(request.m / low)), kBlock, holdA);
}

function shape(request: PlanRequest, panelRows: number, kBlock: number, held: boolean): Plan {
  const { k, n, elementSize } = request;
  const oneBlock = kBlock >= k;
  const holdA = held || oneBlock;
  const elements = { a: panelRows * (holdA ? k : kBlock), b: kBlock * n, c: panelRows * n };
  const buffersOfA = holdA ? 1 : 2;
  const buffersOfB = oneBlock ? 1 : 2;
  const matrices = elementSize * (buffersOfA * elements.a + buffersOfB * elements.b + elements.c);
  const vectors = 8 * (2 * n + 3 * kBlock + 4 * panelRows);
  return { panelRows, kBlock, holdA, elements, buffersOfA, buffersOfB, bytes: matrices + vectors };
}

function fits(candidate: Plan, { budget, elementSize, k }: PlanRequest): boolean {
  const { a, b, c } = candidate.elements;
  return (
    candidate.bytes <= budget &&
    Math.max(a, b, c) * elementSize <= largestArray &&
    (candidate.holdA ? k : candidate.kBlock) <= largestDimension
  );
}
