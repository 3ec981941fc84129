/** Powers of two, exactly, and sums that carry an exponent of their own: no finite data over- or underflows. */

const bits = new DataView(new ArrayBuffer(8));

/** ⌊log2 |x|⌋ for finite x other than 0, subnormal ones included. */
export function exponentOf(x: number): number {
  bits.setFloat64(0, x);
  const field = (bits.getUint32(0) >>> 20) & 0x7ff;
  if (field !== 0) return field - 1023;
  bits.setFloat64(0, x * 2 ** 54);
  return ((bits.getUint32(0) >>> 20) & 0x7ff) - 1023 - 54;
}

function powerOfTwo(exponent: number): number {
  bits.setUint32(0, (exponent + 1023) << 20);
  bits.setUint32(4, 0);
  return bits.getFloat64(0);
}

/** x · 2^exponent: exact but where the result is subnormal, and 0 or infinity past the range. */
export function scale(x: number, exponent: number): number {
  let value = x;
  let left = Math.max(-4400, Math.min(4400, exponent));
  for (; left > 1023; left -= 1023) value *= 2 ** 1023;
  for (; left < -1022; left += 1022) value *= 2 ** -1022;
  return value * powerOfTwo(left);
}

/**
 * Sums `value[i]` and `weight[i]` times 2^`exponent[i]`, the exponent growing with the largest term as in LAPACK's
 * dlassq. A term without weight is left out.
 */
export class ScaledSums {
  readonly value: Float64Array;
  readonly weight: Float64Array;
  readonly exponent: Float64Array;

  constructor(length: number) {
    this.value = new Float64Array(length);
    this.weight = new Float64Array(length);
    this.exponent = new Float64Array(length);
  }

  clear(): void {
    this.value.fill(0);
    this.weight.fill(0);
    this.exponent.fill(0);
  }

  /** Adds value · 2^exponent and weight · 2^exponent, for a finite weight. */
  add(i: number, value: number, weight: number, exponent: number): void {
    if (weight === 0) return;
    const own = exponentOf(weight);
    const top = exponent + own;
    const before = this.exponent[i]!;
    if (this.weight[i] === 0 || top > before) {
      this.value[i] = scale(this.value[i]!, before - top) + scale(value, -own);
      this.weight[i] = scale(this.weight[i]!, before - top) + scale(weight, -own);
      this.exponent[i] = top;
    } else {
      this.value[i]! += scale(value, exponent - before);
      this.weight[i]! += scale(weight, exponent - before);
    }
  }
}
