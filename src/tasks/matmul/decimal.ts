/**
 * Decimal text to float64, bit for bit as JSON.parse: most numbers by arithmetic, the rest by `Number`.
 *
 * Digits are read four at a time from 32-bit words. A mantissa of up to 15 digits and a power of ten up to 22
 * are both exact, so one division or multiplication rounds correctly. Longer ones go through a product of two
 * double-doubles (106 bits) whose error is bounded: where the bound leaves the rounding open, as it does for
 * exact ties, the number is left to `Number`. Of random numbers that is about one in 2^44.
 */

/** Bytes that must follow a number's first byte for `readNumbers` to try it: more than it ever looks at. */
const lookahead = 64;
/** Powers of ten outside of this range come near the ends of the double range and are left to `Number`. */
const maxPower = 250;
/** 2^27 + 1: splits a double into two halves of 26 bits (Veltkamp). */
const splitter = 134217729;
/** Bounds the relative error of the double-double product (below 2^-102) with a margin. */
const uncertainty = 2 ** -98;

const exactPowers = Float64Array.from({ length: 23 }, (_, k) => Number(`1e${k}`));
/** The largest integer whose product with 10^j is exact, because its product with 5^j stays below 2^53. */
const exactFactors = Float64Array.from({ length: 16 }, (_, j) => Math.floor(2 ** 53 / 5 ** j));
const powers = powerTable();

/** 10^k for |k| <= maxPower, four numbers each: the nearest double, its upper and lower half, the remainder. */
function powerTable(): Float64Array {
  const table = new Float64Array(4 * (2 * maxPower + 1));
  for (let k = -maxPower; k <= maxPower; k++) {
    const high = Number(`1e${k}`);
    const upper = splitter * high - (splitter * high - high);
    table.set([high, upper, high - upper, remainder(k, high)], 4 * (k + maxPower));
  }
  return table;
}

/** 10^k − high, to about 50 bits: by integers, for negative k scaled by 2^1200. */
function remainder(k: number, high: number): number {
  if (k >= 0) return Number(10n ** BigInt(k) - BigInt(high));
  let scale = 0;
  for (; !Number.isInteger(high); scale++) high *= 2;
  const rest = (1n << 1200n) / 10n ** BigInt(-k) - (BigInt(high) << BigInt(1200 - scale));
  return Number(rest >> 200n) * 2 ** -500 * 2 ** -500;
}

/** What rounding took from `product`, the double nearest to a * b (Dekker). */
function productError(a: number, b: number, product: number): number {
  const aSplit = splitter * a;
  const aUpper = aSplit - (aSplit - a);
  const aLower = a - aUpper;
  const bSplit = splitter * b;
  const bUpper = bSplit - (bSplit - b);
  const bLower = b - bUpper;
  return aUpper * bUpper - product + aUpper * bLower + aLower * bUpper + aLower * bLower;
}

/** Where `readNumbers` stopped. */
export interface NumberRun {
  /** Index of the next byte: a number's first one, or, after a number, the one that ended it. */
  at: number;
  /** Elements in `out`. */
  count: number;
  /** True where `at` stands behind a number, false where one must begin. */
  afterNumber: boolean;
}

/**
 * Reads `1,2.5, -3e4` from `run.at` on into `out` from `run.count` on, until something is not of that shape or
 * `out` holds `stop` elements. It judges nothing: whatever it leaves, be it an error, the end of the chunk or a
 * number too hard for it, the caller reads in its own way. `view` spans the same bytes as `bytes`.
 */
export function readNumbers(
  bytes: Uint8Array,
  view: DataView,
  run: NumberRun,
  out: Float64Array,
  stop: number,
): void {
  const end = bytes.length - lookahead;
  let at = run.at;
  let count = run.count;
  let afterNumber = false;
  while (at < end && count < stop) {
    let p = at;
    let c = bytes[p]!;
    if (c === 0x20) c = bytes[++p]!;
    // 1 for a minus and 0 otherwise, without a branch that random signs would mispredict.
    const minus = ((c - 0x2e) & (0x2c - c)) >>> 31;
    p += minus;

    // The mantissa is high * 10^lowDigits + low.
    let high = 0;
    let low = 0;
    let lowDigits = 0;
    let point = 0;
    let start = p;
    let regular = true;
    for (;;) {
      let word = view.getInt32(p, true);
      let x = word ^ 0x30303030;
      // The lowest set bit marks the first byte that is not a digit; bits above it may be wrong.
      let others = ((x + 0x76767676) | x) & -0x7f7f7f80;
      if (point === 0 && (x & 0xff) === 0 && (others & 0x8000) === 0) {
        regular = false; // a leading zero
        break;
      }
      while (others === 0) {
        const next = view.getInt32(p + 4, true);
        const y = next ^ 0x30303030;
        const digits = fourDigits(x);
        others = ((y + 0x76767676) | y) & -0x7f7f7f80;
        word = next;
        x = y;
        if (others !== 0) {
          p += 4;
          if (lowDigits === 0 && high < 1e11) {
            high = high * 1e4 + digits;
          } else {
            low = low * 1e4 + digits;
            lowDigits += 4;
          }
          break;
        }
        p += 8;
        const eight = Math.imul(digits, 10_000) + fourDigits(y);
        if (lowDigits === 0 && high < 1e7) {
          high = high * 1e8 + eight;
        } else {
          low = low * 1e8 + eight;
          lowDigits += 8;
        }
        if (p > end + 24) {
          regular = false;
          break;
        }
        word = view.getInt32(p, true);
        x = word ^ 0x30303030;
        others = ((x + 0x76767676) | x) & -0x7f7f7f80;
      }
      if (!regular) break;
      const shift = Math.clz32(others & -others);
      const n = 3 - (shift >>> 3);
      const digits = fourDigits((x << shift) << 8);
      p += n;
      c = (word >>> (n << 3)) & 0xff;
      if (lowDigits === 0 && high < 1e12) {
        high = high * exactPowers[n]! + digits;
      } else {
        low = low * exactPowers[n]! + digits;
        lowDigits += n;
      }
      if (p === start) {
        regular = false;
        break;
      }
      if (c !== 0x2e || point !== 0) break;
      point = start = ++p;
    }
    if (!regular || lowDigits > 15) break;

    let power = point === 0 ? 0 : point - p;
    if ((c | 0x20) === 0x65) {
      let q = p + 1;
      c = bytes[q]!;
      const negative = c === 0x2d;
      if (negative || c === 0x2b) c = bytes[++q]!;
      const first = q;
      let exponent = 0;
      for (; c >= 0x30 && c <= 0x39 && q < first + 4; c = bytes[++q]!) exponent = exponent * 10 + c - 0x30;
      if (q === first || (c >= 0x30 && c <= 0x39)) break;
      p = q;
      power += negative ? -exponent : exponent;
    }

    let value: number;
    if (lowDigits === 0 && power <= 22 && power >= -22) {
      value = power <= 0 ? high / exactPowers[-power]! : high * exactPowers[power]!;
    } else if (power > maxPower || power < -maxPower) {
      break;
    } else {
      const scale = exactPowers[lowDigits]!;
      const product = high * scale;
      const m = product + low;
      let rest = low - (m - product);
      if (high > exactFactors[lowDigits]!) rest += productError(high, scale, product);
      const entry = 4 * (power + maxPower);
      const factor = powers[entry]!;
      const upper = powers[entry + 1]!;
      const lower = powers[entry + 2]!;
      const split = splitter * m;
      const mUpper = split - (split - m);
      const mLower = m - mUpper;
      const estimate = m * factor;
      const error = mUpper * upper - estimate + mUpper * lower + mLower * upper + mLower * lower;
      const correction = error + (m * powers[entry + 3]! + rest * factor);
      const slack = estimate * uncertainty;
      value = estimate + (correction + slack);
      if (value !== estimate + (correction - slack)) break;
    }
    out[count++] = value * (1 - 2 * minus);
    at = p;
    if (c !== 0x2c) {
      afterNumber = true;
      break;
    }
    at++;
  }
  run.at = at;
  run.count = count;
  run.afterNumber = afterNumber;
}

/** The number whose four decimal digits are the word's bytes, the most significant in the lowest byte. */
function fourDigits(x: number): number {
  const pairs = (Math.imul(x, 10) + (x >>> 8)) & 0x00ff00ff;
  return Math.imul(pairs & 0xff, 100) + (pairs >>> 16);
}

const jsonNumber = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/;

/** The value of a JSON number, ±Infinity beyond double range; undefined where the text is not a JSON number. */
export function parseNumber(text: string): number | undefined {
  return jsonNumber.test(text) ? Number(text) : undefined;
}
