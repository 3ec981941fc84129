/** What an address of `--blobs` says. */
import { isAbsolute } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DrayError } from '../jobs/errors.js';

/** Where blobs lie. It may be shown and handed to other processes: credentials are no part of it. */
export type BlobsPlace =
  | { readonly kind: 'filesystem'; readonly folder: string }
  | {
      readonly kind: 's3';
      readonly bucket: string;
      /** Before all keys: empty, or ends with a slash. */
      readonly prefix: string;
      readonly endpoint?: string;
      readonly region?: string;
      /** The server's address for clients that are given links. */
      readonly publicEndpoint?: string;
    };

const form =
  's3://bucket/prefix?endpoint=http://host:9000&region=…, or file:///folder on a disk that all machines share';
const parameters = ['endpoint', 'region', 'public'] as const;

/** @throws DrayError `invalid-request` that says what is wrong; the address is not repeated in it. */
export function parseBlobsAddress(address: string): BlobsPlace {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url?.protocol === 'file:') return { kind: 'filesystem', folder: folderOf(url) };
  if (url?.protocol !== 's3:') throw refusal(`is not ${form}`);
  if (url.username !== '' || url.password !== '') {
    throw refusal('has credentials in it: give them as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY');
  }
  const bucket = url.host;
  if (!/^[a-z\d][a-z\d.-]{1,61}[a-z\d]$/.test(bucket)) {
    throw refusal('has no bucket, whose name has 3 to 63 lower-case letters, digits, dots and hyphens');
  }
  const unknown = [...url.searchParams.keys()].find(
    (name) => !(parameters as readonly string[]).includes(name),
  );
  if (unknown !== undefined) throw refusal(`has "${unknown}", and knows ${parameters.join(', ')}`);
  const [endpoint, region, publicEndpoint] = parameters.map(
    (name) => url.searchParams.get(name) ?? undefined,
  );
  const prefix = decodeURIComponent(url.pathname).replace(/^\/+|\/+$/g, '');
  return {
    kind: 's3',
    bucket,
    prefix: prefix === '' ? '' : `${prefix}/`,
    ...(endpoint !== undefined && { endpoint: serverOf(endpoint, 'endpoint') }),
    ...(region !== undefined && { region }),
    ...(publicEndpoint !== undefined && { publicEndpoint: serverOf(publicEndpoint, 'public') }),
  };
}

function folderOf(url: URL): string {
  try {
    const folder = fileURLToPath(url);
    if (isAbsolute(folder) && folder !== '/') return folder;
  } catch {
    // a host, or an escaped slash
  }
  throw refusal('names no folder: write it as file:///folder');
}

function serverOf(text: string, name: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const plain = url?.username === '' && url.password === '' && url.search === '' && url.hash === '';
  if (plain && (url.protocol === 'http:' || url.protocol === 'https:')) return url.href.replace(/\/$/, '');
  throw refusal(`says "${name}", but that is no address such as http://host:9000`);
}

function refusal(what: string): DrayError {
  return new DrayError('invalid-request', `--blobs (DRAY_BLOBS): the address ${what}`, { field: 'blobs' });
}
