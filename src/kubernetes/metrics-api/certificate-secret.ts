/** The certificates of the metrics API, as all controllers find them in a Secret. */
import type { Api } from '../api.js';
import type { KeyedCertificate } from './certificates.js';

export interface Certificates {
  /** Those by which the serving one may be signed, PEM, the newest first. */
  readonly authorities: readonly string[];
  /** Of the newest. */
  readonly authorityKey: string | undefined;
  readonly serving: KeyedCertificate | undefined;
}

export interface StoredCertificates extends Certificates {
  /** Of the Secret. */
  readonly resourceVersion: string;
}

interface Secret {
  readonly metadata: { readonly resourceVersion: string };
  readonly data?: Readonly<Record<string, string>>;
}

export async function readCertificates(api: Api, secret: string): Promise<StoredCertificates> {
  const { metadata, data = {} } = await api.get<Secret>(api.secrets(secret));
  const text = (name: string): string | undefined => {
    const decoded = Buffer.from(data[name] ?? '', 'base64').toString();
    return decoded === '' ? undefined : decoded;
  };
  const [cert, key] = [text('tls.crt'), text('tls.key')];
  return {
    resourceVersion: metadata.resourceVersion,
    authorities: text('ca.crt')?.match(/-----BEGIN [^-]+-----[^-]+-----END [^-]+-----\n?/g) ?? [],
    authorityKey: text('ca.key'),
    serving: cert !== undefined && key !== undefined ? { cert, key } : undefined,
  };
}

/** @throws ApiError with the answer 409 where somebody else has written it meanwhile. */
export async function writeCertificates(
  api: Api,
  secret: string,
  certificates: StoredCertificates,
): Promise<void> {
  const { authorities, authorityKey = '', serving, resourceVersion } = certificates;
  const texts = {
    'ca.crt': bundleOf(authorities),
    'ca.key': authorityKey,
    'tls.crt': serving?.cert ?? '',
    'tls.key': serving?.key ?? '',
  };
  await api.patch(api.secrets(secret), {
    metadata: { resourceVersion },
    data: Object.fromEntries(
      Object.entries(texts).map(([name, text]) => [name, Buffer.from(text).toString('base64')]),
    ),
  });
}

export function bundleOf(authorities: readonly string[]): string {
  return authorities.map((one) => `${one.trimEnd()}\n`).join('');
}
