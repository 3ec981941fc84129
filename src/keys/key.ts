/** API keys: what they look like, what they allow, and what is kept of them. */
import { hash, randomBytes } from 'node:crypto';

/** What a key allows, each with all that the ones before it allow. */
export const scopes = ['read', 'submit', 'admin'] as const;
export type Scope = (typeof scopes)[number];

/** What is kept of a key: not the key. Times are ISO 8601, in UTC. */
export interface KeyRecord {
  readonly id: string;
  readonly name: string;
  readonly scope: Scope;
  /** SHA-256 of the key, as hex. */
  readonly hash: string;
  readonly createdAt: string;
  readonly expiresAt?: string;
}

/** What may be shown of a key. */
export type KeyView = Omit<KeyRecord, 'hash'>;

const idBytes = 6;
/** 256 bits: nobody finds a key by trying. */
const secretBytes = 32;
const form = /^dray_([0-9a-f]{12})_[\w-]{43}$/;

/** A new key. Its text is to be shown once and is kept nowhere. */
export function newKey(params: {
  readonly name: string;
  readonly scope: Scope;
  readonly createdAt: Date;
  readonly expiresAt?: Date | undefined;
}): { readonly text: string; readonly record: KeyRecord } {
  const { name, scope, createdAt, expiresAt } = params;
  const id = randomBytes(idBytes).toString('hex');
  const text = `dray_${id}_${randomBytes(secretBytes).toString('base64url')}`;
  const record = {
    id,
    name,
    scope,
    hash: hashOf(text).toString('hex'),
    createdAt: createdAt.toISOString(),
    ...(expiresAt === undefined ? {} : { expiresAt: expiresAt.toISOString() }),
  };
  return { text, record };
}

export function viewKey({ id, name, scope, createdAt, expiresAt }: KeyRecord): KeyView {
  return { id, name, scope, createdAt, ...(expiresAt === undefined ? {} : { expiresAt }) };
}

/** The id in a key's text; undefined where the text is no key. */
export function idOf(text: string): string | undefined {
  return form.exec(text)?.[1];
}

/**
 * One round of SHA-256 is enough here, and cheap enough for each request: slow, salted hashes protect secrets that
 * people choose and that a list of guesses would find; there is no such list of 256 random bits.
 */
export function hashOf(text: string): Buffer {
  return hash('sha256', text, 'buffer');
}

export function allows(scope: Scope, needed: Scope): boolean {
  return scopes.indexOf(scope) >= scopes.indexOf(needed);
}
