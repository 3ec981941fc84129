/** X.509 certificates for the metrics API: an authority of its own, and what it signs. */
import { generateKeyPair } from 'node:crypto';
import { promisify } from 'node:util';
import type { pki } from 'node-forge';
import type { Clock } from '../../clock.js';

/** PEM, both. */
export interface KeyedCertificate {
  readonly cert: string;
  readonly key: string;
}

/** Certificates hold from so long before they are made: not all clocks of a cluster are right. */
export const earlyMs = 5 * 60_000;
const bits = 2_048;

export async function makeAuthority(params: { forMs: number; clock: Clock }): Promise<KeyedCertificate> {
  // In its name too: clients find the right one of several.
  const name = `dray-metrics-${params.clock.token().slice(0, 8)}`;
  return sign({
    ...params,
    name,
    extensions: [
      { name: 'basicConstraints', critical: true, cA: true, pathLenConstraint: 0 },
      { name: 'keyUsage', critical: true, keyCertSign: true, cRLSign: true },
      { name: 'subjectKeyIdentifier' },
    ],
  });
}

/**
 * @param params.names of the hosts that it is for; the first is its common name.
 * @param params.use what whoever has it may do with it: serve, or call (by default serve).
 */
export async function issueCertificate(params: {
  authority: KeyedCertificate;
  names: readonly string[];
  use?: 'server' | 'client';
  forMs: number;
  clock: Clock;
}): Promise<KeyedCertificate> {
  return sign({
    ...params,
    // A common name has at most 64 characters; nobody goes by it.
    name: params.names[0]!.slice(0, 64),
    extensions: [
      { name: 'basicConstraints', critical: true, cA: false },
      { name: 'keyUsage', critical: true, digitalSignature: true, keyEncipherment: true },
      { name: 'extKeyUsage', [params.use === 'client' ? 'clientAuth' : 'serverAuth']: true },
      { name: 'subjectAltName', altNames: params.names.map((value) => ({ type: 2, value })) },
    ],
  });
}

/** By itself where no authority is given. */
async function sign(params: {
  name: string;
  extensions: readonly object[];
  authority?: KeyedCertificate;
  forMs: number;
  clock: Clock;
}): Promise<KeyedCertificate> {
  const { name, authority, forMs, clock } = params;
  // Loaded where certificates are made: one controller, a few times a year.
  const { default: forge } = await import('node-forge');
  const { privateKey: key } = await promisify(generateKeyPair)('rsa', {
    modulusLength: bits,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const own = forge.pki.privateKeyFromPem(key);
  const issuer = authority && forge.pki.certificateFromPem(authority.cert);
  const cert = forge.pki.createCertificate();
  cert.publicKey = forge.pki.setRsaPublicKey(own.n, own.e);
  // Positive, without leading zeros.
  cert.serialNumber = `4${clock.token().slice(1)}`;
  cert.validity.notBefore = new Date(clock.now() - earlyMs);
  cert.validity.notAfter = new Date(clock.now() + forMs);
  const subject: pki.CertificateField[] = [{ name: 'commonName', value: name }];
  cert.setSubject(subject);
  cert.setIssuer(issuer?.subject.attributes ?? subject);
  const signer = issuer && {
    name: 'authorityKeyIdentifier',
    keyIdentifier: issuer.generateSubjectKeyIdentifier().getBytes(),
  };
  cert.setExtensions([...params.extensions, ...(signer ? [signer] : [])]);
  const by = authority ? forge.pki.privateKeyFromPem(authority.key) : own;
  cert.sign(by, forge.md.sha256.create());
  return { cert: forge.pki.certificateToPem(cert).replaceAll('\r', ''), key };
}
