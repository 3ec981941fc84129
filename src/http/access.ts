/** Who may do what: one decision, before anything of a request's body is read. */
import type { FastifyRequest } from 'fastify';
import { DrayError } from '../jobs/errors.js';
import type { Key } from '../keys/keyring.js';
import { allows, type Scope } from '../keys/key.js';
import { credentialsOf } from './credentials.js';
import type { App } from './dependencies.js';
import { crossSiteError, strangerError } from './loopback.js';

export interface Access {
  /** True where requests need a key. It may become true while the server runs, and stays so then. */
  readonly keysNeeded: () => boolean;
  /** The key of a text, where it is one that is good now. */
  readonly findKey: (text: string) => Key | undefined;
  /** True where the doors, whose clients send no key, are open without one. */
  readonly openDoors: boolean;
  /** True where only this machine can call; without keys it is then held against Host and Origin. */
  readonly loopbackOnly: boolean;
}

/** Whose routes they are: those of the native API, or those of a door. */
export type Side = 'native' | 'door';

/** For whoever watches over the server from outside, and must not hold a key for it. */
const withoutKey = new Set(['/healthz', '/readyz']);
/** Native, but matrix service A's clients ask for it too. */
const withDoors = new Set(['/desired-worker-scale', '/desired-worker-scale/']);
const submits = new Set(['/v1/jobs', '/v1/jobs/batch', '/v1/blobs', '/v1/blobs/links']);
const commits = /^\/v1\/blobs\/links\/[\da-f-]{36}\/commit$/;

/** Guards all routes of a scope, and of scopes in it. */
export function guard(scope: App, side: Side, access: Access): void {
  scope.addHook('onRequest', (request, _reply, done) => done(refusalOf(request, side, access)));
}

/** The error of a request that may not be served. */
export function refusalOf(request: FastifyRequest, side: Side, access: Access): DrayError | undefined {
  const { headers } = request.raw;
  if (!access.keysNeeded()) return access.loopbackOnly ? strangerError(headers) : crossSiteError(headers);
  // As it was asked for: an address in another spelling is one that needs more, never one that needs less.
  const [path = ''] = request.url.split('?', 1);
  const open = side === 'door' || withDoors.has(path) ? access.openDoors : withoutKey.has(path);
  if (open) return crossSiteError(headers);
  const credentials = credentialsOf(headers);
  if (!credentials) {
    return new DrayError('unauthenticated', 'this server needs an API key, as Authorization: Bearer <key>');
  }
  const key = access.findKey(credentials.text);
  if (!key) return new DrayError('unauthenticated', 'the API key is unknown, revoked or expired');
  const needed = scopeFor(request.method, path, side);
  if (!allows(key.scope, needed)) {
    return new DrayError(
      'forbidden',
      `${request.method} ${path.slice(0, 200)} needs a key of scope ${needed}; key ${key.id} has ${key.scope}`,
    );
  }
  return credentials.ambient ? crossSiteError(headers) : undefined;
}

function scopeFor(method: string, path: string, side: Side): Scope {
  if (method === 'GET' || method === 'HEAD') return 'read';
  const adds = method === 'POST' && (submits.has(path) || commits.test(path));
  return side === 'door' || adds ? 'submit' : 'admin';
}
