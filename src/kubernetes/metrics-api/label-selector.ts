/** Label selectors as Kubernetes writes them: `a=b,c!=d,e in (f,g),h notin (i),j,!k`. */
import { DrayError } from '../../jobs/errors.js';

export type Labels = Readonly<Record<string, string>>;
type Requirement = (labels: Labels) => boolean;
/** Undefined: the form fits, and what stands in it does not. */
type Reading = (match: RegExpExecArray) => Requirement | undefined;

/** Those of HPAs name a pool or a few; a longer text is nobody's need. */
const mostCharacters = 1_024;
const key = String.raw`[A-Za-z0-9](?:[A-Za-z0-9._/-]*[A-Za-z0-9])?`;
const value = String.raw`(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)?`;
const single = form(value);
const forms: readonly (readonly [RegExp, Reading])[] = [
  [form(String.raw`(${key})`), ([, name]) => has(name!)],
  [form(String.raw`!\s*(${key})`), ([, name]) => not(has(name!))],
  [form(String.raw`(${key})\s*==?\s*(${value})`), ([, name, one]) => within(name!, [one!])],
  [form(String.raw`(${key})\s*!=\s*(${value})`), ([, name, one]) => not(within(name!, [one!]))],
  [form(set('in')), ([, name, list]) => among(name!, list!)],
  [form(set('notin')), ([, name, list]) => not(among(name!, list!))],
  [form(String.raw`(${key})\s*>\s*(-?\d+)`), ([, name, bound]) => compares(name!, (n) => n > Number(bound))],
  [form(String.raw`(${key})\s*<\s*(-?\d+)`), ([, name, bound]) => compares(name!, (n) => n < Number(bound))],
];

/**
 * What a selector finds; the empty one finds all.
 * @throws DrayError `invalid-request` where it is none.
 */
export function parseSelector(text: string): Requirement {
  const refuse = (what: string): DrayError =>
    new DrayError('invalid-request', `labelSelector: ${what}`, { field: 'labelSelector' });
  if (text.length > mostCharacters) throw refuse(`it has more than ${mostCharacters} characters`);
  if (text.trim() === '') return () => true;
  // Commas inside of parentheses are between values.
  const requirements = text.split(/,(?![^(]*\))/).map((part) => {
    for (const [pattern, requirement] of forms) {
      const match = pattern.exec(part);
      const read = match && requirement(match);
      if (read) return read;
    }
    throw refuse(`"${part}" is no requirement such as pool=default or pool in (a,b)`);
  });
  return (labels) => requirements.every((fits) => fits(labels));
}

function form(pattern: string): RegExp {
  return new RegExp(String.raw`^\s*${pattern}\s*$`);
}

function set(operator: 'in' | 'notin'): string {
  return String.raw`(${key})\s+${operator}\s*\(\s*([^()\s][^()]*)\)`;
}

function has(name: string): Requirement {
  return (labels) => Object.hasOwn(labels, name);
}

/** What is not there has no value: it is in no set, so `!=` and `notin` find it. */
function within(name: string, values: readonly string[]): Requirement {
  return (labels) => Object.hasOwn(labels, name) && values.includes(labels[name]!);
}

function among(name: string, list: string): Requirement | undefined {
  const values = list.split(',').map((one) => one.trim());
  return values.every((one) => single.test(one)) ? within(name, values) : undefined;
}

function compares(name: string, holds: (number: number) => boolean): Requirement {
  return (labels) =>
    Object.hasOwn(labels, name) && /^-?\d+$/.test(labels[name]!) && holds(Number(labels[name]));
}

function not<R extends Requirement | undefined>(fits: R): R {
  return fits && (((labels) => !fits(labels)) as R);
}
