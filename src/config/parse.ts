/** How the text of an option becomes its value. */
import { parseDuration } from '../jobs/duration.js';
import { DrayError } from '../jobs/errors.js';
import { GiB, KiB, MiB } from '../jobs/limits.js';
import { withoutPassword } from '../log.js';
import type { Option } from './option.js';

export type Value = string | number | boolean | readonly string[];

/**
 * The value of an option from its text.
 * @throws DrayError `invalid-request` that names the option and what it takes.
 */
export function parseValue(option: Option, text: string): Value {
  if (option.values?.includes(text) === false)
    throw refusal(option, text, `one of ${option.values.join(', ')}`);
  if (option.type === 'string' || option.type === 'json') return text;
  if (option.type === 'list') return Object.freeze(parseList(text));
  const value = parsers[option.type](text, option);
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = option;
  if (value === undefined || (typeof value === 'number' && (value < min || value > max))) {
    throw refusal(option, text, wanted(option, min, max));
  }
  return value;
}

function refusal(option: Option, text: string, what: string): DrayError {
  const message = `${option.flag} (${option.variable}): "${withoutPassword(text)}" is not ${what}`;
  return new DrayError('invalid-request', message, { field: option.name });
}

function wanted({ type, schemes = [] }: Option, min: number, max: number): string {
  return {
    bytes: `a size of at least ${min / MiB >= 1 ? `${min / MiB}m` : `${min} bytes`}, such as 2g or 512m`,
    duration: `a time from ${min} to ${max} seconds, such as 30s or 5m`,
    share: `a share from ${min} to ${max}, such as 0.8 or 80%`,
    integer: `a whole number from ${min} to ${max}`,
    number: `a number from ${min} to ${max}`,
    switch: 'true or false',
    address: `an address of ${schemes.map((scheme) => `${scheme}://`).join(' or ')}`,
    string: 'a text',
    list: 'a list',
    json: 'JSON',
    name: '1 to 64 characters of A-Z a-z 0-9 . _ -',
  }[type];
}

/** "2g", "512m", "64k" or plain bytes, as bytes; undefined where it is none of these. */
export function parseBytes(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(text.trim());
  if (!match) return undefined;
  const unit = { '': 1, k: KiB, m: MiB, g: GiB, t: 1024 * GiB }[match[2]!.toLowerCase()]!;
  return Math.floor(Number(match[1]) * unit);
}

/** "0.8" or "80%", as a number; undefined where it is none of these. */
export function parseShare(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*(%?)$/.exec(text.trim());
  return match ? Number(match[1]) / (match[2] === '%' ? 100 : 1) : undefined;
}

/** What stands between commas. */
function parseList(text: string): string[] {
  return text
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '');
}

function parseSeconds(text: string): number | undefined {
  const ms = parseDuration(text, { bare: 's' });
  return ms === undefined ? undefined : ms / 1_000;
}

function parseAddress(text: string, { schemes = [] }: Option): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return url && schemes.includes(url.protocol.slice(0, -1)) ? text : undefined;
}

const switches: Readonly<Record<string, boolean>> = { true: true, '1': true, false: false, '0': false };

const parsers = {
  bytes: parseBytes,
  duration: parseSeconds,
  share: parseShare,
  integer: (text: string) => (/^\d+$/.test(text) ? Number(text) : undefined),
  number: (text: string) => (/^\d+(?:\.\d+)?$/.test(text) ? Number(text) : undefined),
  switch: (text: string) => switches[text],
  name: (text: string) => (/^[\w.-]{1,64}$/.test(text) ? text : undefined),
  address: parseAddress,
};
