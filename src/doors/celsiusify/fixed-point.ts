/** Fixed-point decimals as Python writes them: `f'{x:.6f}'`. */

const digits = 6;
/** From here on toFixed writes exponents; every double is a whole number then. */
const onlyWhole = 1e21;

/**
 * The exact value of `x`, rounded to six decimals, ties to even: digit for digit what Python gives, for every
 * double. The sign of a zero is kept, also of one that was rounded to it.
 */
export function fixed6(x: number): string {
  if (!Number.isFinite(x)) return Number.isNaN(x) ? 'nan' : x > 0 ? 'inf' : '-inf';
  if (Math.abs(x) >= onlyWhole) return `${BigInt(x)}.${'0'.repeat(digits)}`;
  const text = x.toFixed(digits);
  if (isTie(x)) return toEven(text);
  return Object.is(x, -0) ? `-${text}` : text;
}

/**
 * A double lies half-way between two millionths only as an odd multiple of 1/128: half a millionth is
 * 1 / (2⁷ · 5⁶), and a double's denominator holds no 5. The product is exact, since 128 is a power of two.
 */
function isTie(x: number): boolean {
  return Number.isInteger(x * 128) && (x * 128) % 2 !== 0;
}

/** toFixed rounds ties away from zero, so an odd last digit is one too many, and never a 0. */
function toEven(text: string): string {
  const last = text.charCodeAt(text.length - 1) - 48;
  return last % 2 === 0 ? text : text.slice(0, -1) + String(last - 1);
}
