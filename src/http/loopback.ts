/** Web pages of elsewhere, which a browser lets call any address that it can reach. */
import type { IncomingHttpHeaders } from 'node:http';
import { DrayError } from '../jobs/errors.js';

const loopbackName = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/i;
const httpScheme = /^https?:\/\//i;

/**
 * For a server that this machine alone may call, and without a key. The names are held against loopback, because a
 * page may have a name that resolves to it (DNS rebinding), or post across sites.
 *
 * @returns the error for a request whose Host or Origin is not this machine.
 */
export function strangerError({ host, origin }: IncomingHttpHeaders): DrayError | undefined {
  if (host !== undefined && !loopbackName.test(host)) return stranger(`host ${host}`, 'this machine');
  if (origin !== undefined && !loopbackName.test(origin.replace(httpScheme, ''))) {
    return stranger(`origin ${origin}`, 'this machine');
  }
  return undefined;
}

/**
 * For requests whose credentials, if any, a browser may have added by itself. Browsers name the Origin of whatever
 * may change something.
 *
 * @returns the error for a request that a page of another server made.
 */
export function crossSiteError({ host, origin }: IncomingHttpHeaders): DrayError | undefined {
  if (origin === undefined || origin.replace(httpScheme, '').toLowerCase() === host?.toLowerCase()) {
    return undefined;
  }
  return stranger(`origin ${origin}`, 'the host that was called');
}

function stranger(who: string, served: string): DrayError {
  return new DrayError('stranger', `${who.slice(0, 200)} is not ${served}`);
}
