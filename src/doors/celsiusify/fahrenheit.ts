/**
 * Temperatures as FastAPI reads them from a query string. Which texts are numbers is the rule of pydantic's lax
 * mode, as its own answers show it; test/contract/celsiusify.test.ts has them.
 */
const decimal = String.raw`(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?`;
const word = '[iI][nN][fF](?:[iI][nN][iI][tT][yY])?|[nN][aA][nN]';
const number = `[+-]?(?:${decimal}|${word})`;

const exact = new RegExp(`^${number}$`);
/** White space is what Unicode calls so, which is not quite what trim() removes. */
const spaced = new RegExp(String.raw`^\p{White_Space}*(${number})\p{White_Space}*$`, 'u');

/**
 * The number that a text stands for: not finite where the text says so or is beyond double range, undefined where
 * it is no number at all. Takes time in proportion to the text's length, whatever the text.
 */
export function parseNumber(text: string): number | undefined {
  if (exact.test(text)) return Number(text); // words become NaN, or ±Infinity where Number knows them
  const bare = spaced.exec(text)?.[1] ?? withoutUnderscores(text);
  return exact.test(bare) ? Number(bare) : undefined;
}

/** Underscores may stand alone anywhere between other characters. */
function withoutUnderscores(text: string): string {
  const misplaced = text.startsWith('_') || text.endsWith('_') || text.includes('__');
  return misplaced ? text : text.replaceAll('_', '');
}

/**
 * The last value that an address gives a query parameter, which is the one that counts for FastAPI; undefined
 * where there is none. Percent signs that encode nothing stay as they are, bytes that are not UTF-8 become U+FFFD.
 */
export function lastValue(url: string, parameter: string): string | undefined {
  const at = url.indexOf('?');
  return at === -1 ? undefined : new URLSearchParams(url.slice(at + 1)).getAll(parameter).at(-1);
}

/** Degrees Celsius: finite for every finite temperature, also where five times it would overflow. */
export function celsiusOf(fahrenheit: number): number {
  const celsius = ((fahrenheit - 32) * 5) / 9;
  return Number.isFinite(celsius) ? celsius : ((fahrenheit - 32) / 9) * 5;
}
