/** When the certificates of the metrics API are made anew. Pure: the time comes in. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { Certificates } from './certificate-secret.js';
import { earlyMs } from './certificates.js';

/** In ms. */
export interface Lifetimes {
  readonly authorityMs: number;
  readonly servingMs: number;
  /** How long a new authority is made known before anything is signed by it that is served. */
  readonly overlapMs: number;
}

const day = 24 * 3_600_000;
export const defaultLifetimes: Lifetimes = {
  authorityMs: 2 * 365 * day,
  servingMs: 90 * day,
  overlapMs: 10 * 60_000,
};

/** What is left of its time when a certificate is replaced. */
const renewShare = 1 / 3;

/** Without those that have ended, or cannot be read. */
export function standingAuthorities({ authorities }: Certificates, now: number): readonly string[] {
  return authorities.filter((pem) => (parsed(pem)?.endsAt ?? 0) > now);
}

export function needsAuthority(certificates: Certificates, lifetimes: Lifetimes, now: number): boolean {
  const newest = parsed(certificates.authorities[0]);
  if (!newest || !isKeyOf(newest.certificate, certificates.authorityKey)) return true;
  return newest.endsAt - now < lifetimes.authorityMs * renewShare;
}

/**
 * `now`: what there is cannot be used. `due`: a new one should take its place, once the API server knows its authority.
 * @param names of the hosts that it must be for.
 */
export function needsServing(
  certificates: Certificates,
  names: readonly string[],
  lifetimes: Lifetimes,
  now: number,
): 'now' | 'due' | undefined {
  const { serving, authorities } = certificates;
  const leaf = parsed(serving?.cert);
  if (!serving || !leaf || leaf.endsAt <= now || !isKeyOf(leaf.certificate, serving.key)) return 'now';
  if (!names.every((name) => leaf.certificate.checkHost(name) !== undefined)) return 'now';
  const [newest, ...older] = authorities.map(parsed);
  const isBy = (one: typeof newest): boolean =>
    one !== undefined && leaf.certificate.verify(one.certificate.publicKey);
  if (!isBy(newest) && !older.some(isBy)) return 'now';
  if (isBy(newest) && leaf.endsAt - now >= lifetimes.servingMs * renewShare) return undefined;
  const knownFor = now - (newest!.beginsAt + earlyMs);
  return isBy(newest) || knownFor >= lifetimes.overlapMs ? 'due' : undefined;
}

function parsed(pem: string | undefined) {
  try {
    const certificate = new X509Certificate(pem ?? '');
    const { validFrom, validTo } = certificate;
    return { certificate, beginsAt: Date.parse(validFrom), endsAt: Date.parse(validTo) };
  } catch {
    return undefined;
  }
}

function isKeyOf(certificate: X509Certificate, key: string | undefined): boolean {
  try {
    return key !== undefined && certificate.checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}
