/** Addresses of buckets as clients give them, and the hosts that an operator allows in them. */
import { isIP } from 'node:net';

/** The longest that is taken, in characters. */
export const longestBucketUrl = 2_048;

export interface BucketUrl {
  /** As every parser reads it alike: this one is handed on, not the text that came. */
  readonly href: string;
  /** Scheme, host and port. */
  readonly origin: string;
  /** In lower case; an IPv6 address without its brackets. */
  readonly host: string;
  readonly port: number;
  readonly bucket: string;
  /** Of the keys: empty, or ends with a slash. */
  readonly prefix: string;
}

export interface HostPattern {
  /** Without the asterisk where `below` says that any host below it is meant. */
  readonly host: string;
  readonly below: boolean;
  /** Absent: any. */
  readonly port?: number;
}

/** @returns what is wrong, to stand behind the field's name, where it cannot be used. */
export function parseBucketUrl(text: string): BucketUrl | string {
  if (text.length > longestBucketUrl) return `has more than ${longestBucketUrl} characters`;
  // What parsers drop or turn into something else could mean another bucket to the container than to Dray.
  if (!/^https?:\/\/[^/]/i.test(text) || /[\s\\\p{Cc}\p{Cs}]/u.test(text) || !URL.canParse(text)) {
    return 'must be an address such as http://host:9000/bucket';
  }
  const url = new URL(text);
  if (url.username !== '' || url.password !== '' || /^[^/]*\/\/[^/]*@/.test(text)) {
    return 'must hold no user and no password: the operator gives credentials to containers';
  }
  if (/[?#]/.test(text)) return 'must end with its path: a query or fragment is not taken';
  if (url.port === '0') return 'has port 0, on which nothing can listen';
  const [bucket = '', ...below] = url.pathname.slice(1).split('/');
  if (!/^[a-z\d][a-z\d.-]{1,61}[a-z\d]$/.test(bucket)) {
    return 'must name a bucket after the host, of 3 to 63 lower-case letters, digits, dots and hyphens: http://host:9000/bucket';
  }
  const prefix = decoded(below.join('/'));
  if (prefix === undefined) return 'has a path that is not encoded as it should be';
  return {
    href: url.href,
    origin: url.origin,
    host: plainHost(url),
    port: Number(url.port) || (url.protocol === 'https:' ? 443 : 80),
    bucket,
    prefix: prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`,
  };
}

/** `host`, `host:port`, or `*.domain` for every host below it, with a port or without. Undefined for all else. */
export function parseHostPattern(text: string): HostPattern | undefined {
  const below = text.startsWith('*.');
  const given = below ? text.slice(2) : text;
  if (!/^[^\s/\\@?#*]+$/.test(given) || !URL.canParse(`http://${given}`)) return undefined;
  const url = new URL(`http://${given}`);
  const host = plainHost(url);
  if ((below && isIP(host) !== 0) || url.port === '0') return undefined;
  const port = /:(\d+)$/.exec(given.replace(/^\[.*\]/, ''))?.[1];
  return { host, below, ...(port !== undefined && { port: Number(port) }) };
}

/**
 * `named` where one of the patterns names this very host, `below` where it only lies below one that is allowed,
 * undefined where it is not allowed.
 */
export function allowance(url: BucketUrl, patterns: readonly HostPattern[]): 'named' | 'below' | undefined {
  const fits = ({ host, below, port }: HostPattern): boolean =>
    (port === undefined || port === url.port) && (below ? url.host.endsWith(`.${host}`) : url.host === host);
  const fitting = patterns.filter(fits);
  if (fitting.length === 0) return undefined;
  return fitting.some(({ below }) => !below) ? 'named' : 'below';
}

/** A name with a dot at its end is the same name. */
function plainHost({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
}

function decoded(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}
