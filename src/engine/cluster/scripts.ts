/** The Lua scripts by which every operation is one atomic step in Redis. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { limits } from '../../jobs/limits.js';

const folder = new URL('./lua/', import.meta.url);

export const scriptNames = [
  'submit',
  'claim',
  'revive',
  'heartbeat',
  'complete',
  'fail',
  'release',
  'cancel',
  'redrive',
  'change-all',
  'pause',
  'get',
  'standing',
  'list',
  'counts',
  'ready',
  'maintain',
  'prune',
  'unused-blobs',
  'outbox',
  'unsent',
  'sent',
  'reemit',
  'shift-leases',
  'lapse',
  'projections',
  'projected',
  'check-jobs',
  'check-set',
  'check-counts',
] as const;
export type ScriptName = (typeof scriptNames)[number];

export interface Script {
  readonly name: ScriptName;
  readonly text: string;
  /** By which Redis knows it once it was loaded. */
  readonly sha: string;
  /** The members of one request, as the header names them. */
  readonly request: readonly string[];
}

/**
 * The first line of a script tells Redis what it may do: one without flags is refused as a whole where memory is
 * full, before it has written anything.
 */
export function loadScripts(): Readonly<Record<ScriptName, Script>> {
  const shared = readFileSync(new URL('shared.lua', folder), 'utf8');
  const load = (name: ScriptName): Script => {
    const own = readFileSync(new URL(`${name}.lua`, folder), 'utf8');
    const flags = header(own, 'flags', name);
    const text = `#!lua${flags === 'none' ? '' : ` flags=${flags}`}\nlocal mostEntries = ${limits.history}\n${shared}\n${own}`;
    const members = header(own, 'request', name).replaceAll(/\([^)]*\)/g, '');
    const request = members === 'empty' ? [] : members.split(',').map((member) => member.trim());
    return { name, text, sha: createHash('sha1').update(text).digest('hex'), request };
  };
  return Object.fromEntries(scriptNames.map((name) => [name, load(name)])) as Record<ScriptName, Script>;
}

function header(text: string, what: string, name: string): string {
  const found = new RegExp(`^-- ${what}: (.+)$`, 'm').exec(text)?.[1];
  if (found === undefined) throw new Error(`${name}.lua has no line "-- ${what}: …"`);
  return found;
}
