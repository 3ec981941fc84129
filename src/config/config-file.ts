/** The options of `dray serve` as a file: one JSON object, its keys the names in the option table. */
import { readFileSync } from 'node:fs';
import { DrayError } from '../jobs/errors.js';

/** How the file itself is named; it has no entry of its own in the option table. */
export const configFileOption = {
  flag: '--config',
  variable: 'DRAY_CONFIG',
  doc: 'a JSON object such as {"port": 8080, "keepFor": "7d"}; flags and variables win over it',
} as const;

/**
 * The values by option name, as text.
 *
 * @param json the names of those whose value may be any JSON.
 * @throws DrayError `invalid-request` where the file cannot be read, is no JSON object, or has a key that is not
 * in `names`: a typing error is not silently ignored.
 */
export function readConfigFile(
  path: string,
  names: readonly string[],
  json: readonly string[] = [],
): ReadonlyMap<string, string> {
  const refuse = (what: string, cause?: unknown): never => {
    throw new DrayError('invalid-request', `${path}: ${what}`, { field: 'config', cause });
  };
  const text = read(path, refuse);
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    return refuse(`is not JSON: ${(error as Error).message}`, error);
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content))
    return refuse('must be a JSON object, such as {"port": 8080}');
  return new Map(
    Object.entries(content as Record<string, unknown>).map(([key, value]) => {
      if (!names.includes(key)) return refuse(`"${key}" is not an option; there are ${names.join(', ')}`);
      if (json.includes(key) && typeof value === 'object' && value !== null)
        return [key, JSON.stringify(value)] as const;
      const parts: unknown[] = Array.isArray(value) ? value : [value];
      if (parts.every(isPlain)) return [key, parts.join(',')] as const;
      return refuse(`"${key}" must be a text, a number, true or false, or a list of them`);
    }),
  );
}

function isPlain(value: unknown): value is string | number | boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}

function read(path: string, refuse: (what: string, cause: unknown) => never): string {
  try {
    return readFileSync(path, 'utf8').replace(/^\uFEFF/, '');
  } catch (error) {
    return refuse(`cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`, error);
  }
}
