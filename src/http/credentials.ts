/** The key that a request carries, in one of three forms; and how a client is asked for one. */
import type { IncomingHttpHeaders } from 'node:http';

export interface Credentials {
  /** The key's text, unchecked. */
  readonly text: string;
  /** True where a browser may have added it by itself, to a request that a page of elsewhere made. */
  readonly ambient: boolean;
}

const scheme = /^(bearer|basic) +(\S+)$/i;

/**
 * `Authorization: Bearer <key>`, `X-Api-Key: <key>`, or `Authorization: Basic` with any user name and the key as the
 * password, which is what browsers send.
 */
export function credentialsOf(headers: IncomingHttpHeaders): Credentials | undefined {
  const { authorization, 'x-api-key': apiKey } = headers;
  if (typeof apiKey === 'string') return { text: apiKey, ambient: false };
  const [, kind, value] = scheme.exec(authorization ?? '') ?? [];
  if (kind === undefined || value === undefined) return undefined;
  if (kind.toLowerCase() === 'bearer') return { text: value, ambient: false };
  const pair = Buffer.from(value, 'base64').toString('utf8');
  return { text: pair.slice(pair.indexOf(':') + 1), ambient: true };
}

/** What `WWW-Authenticate` says: browsers that want a page are to ask their user, all others want no dialogue. */
export function challengeFor({ accept }: IncomingHttpHeaders): string {
  return accept?.includes('text/html') === true
    ? 'Basic realm="Dray", charset="UTF-8"'
    : 'Bearer realm="Dray"';
}
