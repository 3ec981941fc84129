/**
 * A server without keys on a loopback address must still not serve web pages of elsewhere: a page may have a
 * name that resolves to loopback (DNS rebinding), or post across sites.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { DrayError } from '../jobs/errors.js';
import type { App } from './dependencies.js';

const loopbackName = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/i;

/** Refuses requests to all routes of a scope, and of scopes in it, whose Host or Origin is not this machine. */
export function refuseStrangers(scope: App): void {
  scope.addHook('onRequest', (request, _reply, done) => done(strangerError(request.headers)));
}

/** The error for a request whose Host or Origin is not this machine. */
export function strangerError({ host, origin }: IncomingHttpHeaders): DrayError | undefined {
  const strange =
    host !== undefined && !loopbackName.test(host)
      ? `host ${host}`
      : origin !== undefined && !loopbackName.test(origin.replace(/^https?:\/\//, ''))
        ? `origin ${origin}`
        : undefined;
  return strange === undefined
    ? undefined
    : new DrayError('stranger', `${strange.slice(0, 200)} is not this machine; only loopback is served`);
}
