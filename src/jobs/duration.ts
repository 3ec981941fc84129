/** Spans of time as people write them, read in one way everywhere. */

/** In milliseconds. */
const units = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/**
 * "250ms", "60s", "5m", "2h", "7d" or "1.5 h", as whole milliseconds; undefined where it is none of these.
 *
 * @param options.bare the unit of a number without one; where it is left out, such a number is not taken.
 */
export function parseDuration(text: string, options: { bare?: keyof typeof units } = {}): number | undefined {
  const [, number, unit = options.bare] = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?$/.exec(text.trim()) ?? [];
  if (number === undefined || unit === undefined) return undefined;
  return Math.round(Number(number) * units[unit as keyof typeof units]);
}
