/**
 * Freivalds' check of C = A·B, panel by panel: for random signs x, C·x and A·(B·x) must agree in every row up to
 * rounding. It costs O(n²). What exceeds the bound is found for certain where one element of a row is wrong, and
 * with a chance of at least 1/2 a row where several are.
 *
 * The bound of row i is derived from the data (Higham, Accuracy and Stability of Numerical Algorithms, ch. 3; u is
 * the unit roundoff of the elements, v = 2^−53 that of the check, γ(k, u) = ku / (1 − ku)):
 * - The product errs by |ΔC_ij| ≤ γ(k, u) Σ_p |a_ip||b_pj| in whatever order it is summed. In ΔC_i·x the signs are
 *   random and independent of ΔC, so by Hoeffding |ΔC_i·x| ≤ 9 ‖ΔC_i‖₂ but for a chance of 2 exp(−81/2) ≈ 5e−18 a
 *   row; and without chance |ΔC_i·x| ≤ ‖ΔC_i‖₁. So each p adds γ(k, u)|a_ip| min(‖B_p‖₁, 9‖B_p‖₂).
 * - The check's own sums: B·x and C·x err by γ(n, v), A·(B·x) by γ(k, v), each of |a_ip|‖B_p‖₁.
 * - Products that underflow err by less than the smallest subnormal η each: n·k·η in all.
 * Powers of two are taken out wherever a sum could leave the range, so that it holds for all finite data.
 */
import { DrayError } from '../../jobs/errors.js';
import type { Check, Dtype } from './input.js';
import type { FloatArray } from './kernel/kernel.js';
import { signs } from './random.js';
import { exponentOf, scale, ScaledSums } from './scaled.js';
import { signedSum, weighRow, weightedSums } from './check-sums.js';

const chanceFactor = 9;
/** For the rounding of the bound itself: its sums have at most 2^32 terms, each within 2^−53. */
const slack = 1 + 2 ** -19;
/** Sums of this size, and squares of what is in them, are far from both ends of float64. */
const smallestEasy = 2 ** -400;
const largestEasy = 2 ** 400;
/** Within a block, weights this many powers of two apart are summed without exponents of their own. */
const easySpread = 400;
/** Elements between two turns of the event loop: a few milliseconds. */
const elementsPerTurn = 4_000_000;

export interface CheckedBlock {
  /** `rows` × `depth` elements of A, and `depth` × n of B. */
  a: FloatArray;
  lda: number;
  b: FloatArray;
  ldb: number;
  rows: number;
  depth: number;
}

export class FreivaldsCheck {
  readonly #n: number;
  readonly #x: Float64Array;
  readonly #pause: () => Promise<void>;
  readonly #product: number;
  readonly #arithmetic: number;
  readonly #underflow: number;
  readonly #largest: number;
  /** y = B·x and z, the bound's share for one unit of |a|, of each row of the block: times 2^exponent. */
  readonly #y: Float64Array;
  readonly #z: Float64Array;
  readonly #exponents: Float64Array;
  readonly #sums: ScaledSums;
  #hard = false;
  #worst = { residual: 0, bound: 0, ratio: -1 };
  #unchecked: string | undefined;

  /** `pause` is awaited every few milliseconds of work; what it throws ends the check. */
  constructor(params: {
    k: number;
    n: number;
    dtype: Dtype;
    panelRows: number;
    kBlock: number;
    seed: number;
    pause: () => Promise<void>;
  }) {
    const { k, n, dtype } = params;
    const unit = dtype === 'float64' ? 2 ** -53 : 2 ** -24;
    this.#n = n;
    this.#x = signs(params.seed, n);
    this.#pause = params.pause;
    this.#product = gamma(k + 2, unit);
    this.#arithmetic = (2 * gamma(n, 2 ** -53) * (1 + this.#product) + gamma(k + 8, 2 ** -53)) * slack;
    this.#underflow = n * k * (dtype === 'float64' ? 2 ** -1074 : 2 ** -149);
    this.#largest = dtype === 'float64' ? 2 ** 1023 : 2 ** 127;
    this.#y = new Float64Array(params.kBlock);
    this.#z = new Float64Array(params.kBlock);
    this.#exponents = new Float64Array(params.kBlock);
    this.#sums = new ScaledSums(params.panelRows);
    if (!(this.#product < 1)) this.#unchecked = `${k} terms of ${dtype} have no useful rounding bound`;
  }

  startPanel(): void {
    this.#sums.clear();
  }

  /** Takes in one block of A and B, of which the panel's product is the sum. */
  async absorb(block: CheckedBlock): Promise<void> {
    if (this.#unchecked !== undefined) return;
    const { a, lda, b, ldb, rows, depth } = block;
    await this.#inTurns(depth, this.#n, (p) => this.#weigh(b, p * ldb, p));
    const exponent = this.#level(depth);
    await this.#inTurns(rows, depth, (i) => this.#addRow(a, i * lda, i, depth, exponent));
  }

  /**
   * Compares the panel's rows, the first of which is row `r0` of C, with what was absorbed.
   * @throws DrayError `wrong-product` that names the row.
   */
  async finishPanel({
    c,
    ldc,
    rows,
    r0,
  }: {
    c: FloatArray;
    ldc: number;
    rows: number;
    r0: number;
  }): Promise<void> {
    if (this.#unchecked !== undefined) return;
    await this.#inTurns(rows, this.#n, (i) => this.#compare(c, i * ldc, i, r0 + i));
  }

  result(): Check {
    if (this.#unchecked !== undefined) return { status: 'not checked', reason: this.#unchecked };
    return { status: 'passed', ...this.#worst };
  }

  async #inTurns(rows: number, rowLength: number, each: (row: number) => void): Promise<void> {
    let work = 0;
    for (let row = 0; row < rows; row++) {
      each(row);
      work += rowLength;
      if (work < elementsPerTurn) continue;
      work = 0;
      await this.#pause();
    }
  }

  #weigh(b: FloatArray, at: number, p: number): void {
    let exponent = 0;
    let { sum, norm1, squares } = weighRow(b, at, this.#x, 0);
    if (norm1 !== 0 && !(norm1 > smallestEasy && norm1 < largestEasy)) {
      let largest = 0;
      for (let j = at; j < at + this.#n; j++) largest = Math.max(largest, Math.abs(b[j]!));
      if (!Number.isFinite(largest)) this.#unchecked ??= 'b holds infinities or NaN';
      else exponent = exponentOf(largest);
      ({ sum, norm1, squares } = weighRow(b, at, this.#x, -exponent));
    }
    this.#y[p] = sum;
    this.#z[p] =
      this.#product * slack * Math.min(norm1, chanceFactor * Math.sqrt(squares)) + this.#arithmetic * norm1;
    this.#exponents[p] = exponent;
  }

  /** Brings y and z to one exponent, which it returns, where they are near enough to each other. */
  #level(depth: number): number {
    let top = -Infinity;
    let bottom = Infinity;
    for (let p = 0; p < depth; p++) {
      if (this.#z[p] === 0 || !Number.isFinite(this.#z[p]!)) continue;
      const exponent = exponentOf(this.#z[p]!) + this.#exponents[p]!;
      top = Math.max(top, exponent);
      bottom = Math.min(bottom, exponent);
    }
    this.#hard = top - bottom > easySpread;
    if (this.#hard || top === -Infinity) return 0;
    for (let p = 0; p < depth; p++) {
      this.#y[p] = scale(this.#y[p]!, this.#exponents[p]! - top);
      this.#z[p] = scale(this.#z[p]!, this.#exponents[p]! - top);
      this.#exponents[p] = 0;
    }
    return top;
  }

  #addRow(a: FloatArray, at: number, i: number, depth: number, exponent: number): void {
    if (!this.#hard) {
      const { sum, weight } = weightedSums(a, at, this.#y, this.#z, depth);
      if (weight > smallestEasy && weight < largestEasy) {
        this.#sums.add(i, sum, weight, exponent);
        return;
      }
    }
    for (let p = 0; p < depth; p++) {
      const element = a[at + p]!;
      if (!Number.isFinite(element)) this.#unchecked ??= 'a holds infinities or NaN';
      else if (element !== 0) {
        const own = exponentOf(element);
        const part = scale(element, -own);
        const weight = Math.abs(part) * this.#z[p]!;
        this.#sums.add(i, part * this.#y[p]!, weight, own + this.#exponents[p]! + exponent);
      }
    }
  }

  #compare(c: FloatArray, at: number, i: number, row: number): void {
    const { value, weight, exponent } = this.#sums;
    let own = 0;
    let sum = signedSum(c, at, this.#x, 1);
    if (!Number.isFinite(sum)) {
      const column = c.subarray(at, at + this.#n).findIndex((element) => !Number.isFinite(element));
      if (column >= 0) {
        // No element can exceed Σ|a||b|, which the weight bounds: below the range, infinity is no overflow.
        const most = scale(weight[i]! / this.#arithmetic, exponent[i]!);
        if (this.#unchecked === undefined && most < this.#largest)
          throw wrong(row, `column ${column + 1} is ${c[at + column]!}, and no sum of the data is`);
        this.#unchecked ??= `the product holds infinities or NaN, first in row ${row + 1}, column ${column + 1}`;
        return;
      }
      own = 64;
      sum = signedSum(c, at, this.#x, 2 ** -64);
    }
    const level = Math.max(
      sum === 0 ? -Infinity : exponentOf(sum) + own,
      weight[i] === 0 ? -Infinity : exponent[i]!,
      -1000,
    );
    const residual = Math.abs(scale(sum, own - level) - scale(value[i]!, exponent[i]! - level));
    const bound = scale(weight[i]!, exponent[i]! - level) * slack + scale(this.#underflow, -level);
    const ratio = residual === 0 ? 0 : residual / bound;
    const plain = (x: number): number => Math.min(scale(x, level), Number.MAX_VALUE);
    if (!(ratio <= 1))
      throw wrong(row, `the residual ${plain(residual)} is beyond the bound ${plain(bound)}`);
    if (ratio > this.#worst.ratio) this.#worst = { residual: plain(residual), bound: plain(bound), ratio };
  }
}

function gamma(terms: number, unit: number): number {
  return terms * unit < 1 ? (terms * unit) / (1 - terms * unit) : Infinity;
}

function wrong(row: number, reason: string): DrayError {
  return new DrayError('wrong-product', `the check of the product failed in row ${row + 1}: ${reason}`);
}
