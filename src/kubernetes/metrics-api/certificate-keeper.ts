/**
 * Makes the certificates of the metrics API, renews them before they end, and tells the API server by which authority
 * to know them. For the leader; two that do it at once do no harm, as each write names what it was made from.
 */
import type { Clock } from '../../clock.js';
import type { Log } from '../../log.js';
import { isAnswer, type Api } from '../api.js';
import type { Condition } from '../condition.js';
import {
  defaultLifetimes,
  needsAuthority,
  needsServing,
  standingAuthorities,
  type Lifetimes,
} from './certificate-plan.js';
import {
  bundleOf,
  readCertificates,
  writeCertificates,
  type StoredCertificates,
} from './certificate-secret.js';
import { issueCertificate, makeAuthority } from './certificates.js';

export const apiServiceName = 'v1beta1.external.metrics.k8s.io';
export const apiServicePath = `/apis/apiregistration.k8s.io/v1/apiservices/${apiServiceName}`;

export interface ApiService {
  readonly metadata: { readonly resourceVersion: string };
  readonly spec?: {
    readonly service?: { readonly name?: string; readonly namespace?: string };
    readonly caBundle?: string;
  };
  readonly status?: {
    readonly conditions?: readonly Condition[];
  };
}

export interface KeeperParams {
  readonly api: Api;
  readonly secret: string;
  readonly service: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly lifetimes?: Lifetimes;
}

export class CertificateKeeper {
  readonly #params: KeeperParams;
  readonly #lifetimes: Lifetimes;
  readonly #names: readonly string[];
  /** What is wrong with the APIService, said once. */
  #wrong: string | undefined;

  constructor(params: KeeperParams) {
    this.#params = params;
    this.#lifetimes = params.lifetimes ?? defaultLifetimes;
    const { namespace } = params.api;
    this.#names = [`${params.service}.${namespace}.svc`, `${params.service}.${namespace}`, params.service];
  }

  /**
   * To be called again and again.
   * @throws ApiError where the Secret, or the APIService, can be neither read nor written.
   */
  async keep(): Promise<void> {
    const { api, secret, clock } = this.#params;
    let certificates = await readCertificates(api, secret);
    const renewed = await this.#renewed(certificates);
    if (renewed) {
      if (!(await this.#write(renewed))) return;
      certificates = await readCertificates(api, secret);
    }
    // First, so that whatever is signed by a new authority is served when it is known.
    await this.#announce(certificates);
    if (needsServing(certificates, this.#names, this.#lifetimes, clock.now()) === 'due') {
      await this.#write({ ...certificates, serving: await this.#issue(certificates) });
    }
  }

  /** What cannot wait: an authority where the newest nears its end, a certificate where there is none to be used. */
  async #renewed(certificates: StoredCertificates): Promise<StoredCertificates | undefined> {
    const { clock } = this.#params;
    const now = clock.now();
    let next: StoredCertificates = { ...certificates, authorities: standingAuthorities(certificates, now) };
    if (needsAuthority(next, this.#lifetimes, now)) {
      const { cert, key } = await makeAuthority({ forMs: this.#lifetimes.authorityMs, clock });
      next = { ...next, authorities: [cert, ...next.authorities], authorityKey: key };
    }
    if (needsServing(next, this.#names, this.#lifetimes, now) === 'now') {
      next = { ...next, serving: await this.#issue(next) };
    }
    const same =
      next.serving === certificates.serving && next.authorities.length === certificates.authorities.length;
    return same && next.authorityKey === certificates.authorityKey ? undefined : next;
  }

  #issue({ authorities: [cert], authorityKey: key }: StoredCertificates) {
    return issueCertificate({
      authority: { cert: cert!, key: key! },
      names: this.#names,
      forMs: this.#lifetimes.servingMs,
      clock: this.#params.clock,
    });
  }

  /** @returns false where somebody else was faster. */
  async #write(certificates: StoredCertificates): Promise<boolean> {
    const { api, secret, log } = this.#params;
    try {
      await writeCertificates(api, secret, certificates);
    } catch (error) {
      if (isAnswer(error, 409)) return false;
      throw error;
    }
    log.info('the certificates of the metrics API are renewed', { secret });
    return true;
  }

  /** Writes the authorities where the API server looks for them, if that place is ours. */
  async #announce({ authorities }: StoredCertificates): Promise<void> {
    const { api, service } = this.#params;
    const found = await api.get<ApiService>(apiServicePath).catch((error: unknown) => {
      if (isAnswer(error, 404)) return undefined;
      throw error;
    });
    this.#say(
      found ? wrongWith(found, { service, namespace: api.namespace }) : `there is no ${apiServiceName}`,
    );
    if (this.#wrong !== undefined || !found) return;
    const caBundle = Buffer.from(bundleOf(authorities)).toString('base64');
    if (found.spec?.caBundle === caBundle) return;
    const { resourceVersion } = found.metadata;
    await api.patch(apiServicePath, { metadata: { resourceVersion }, spec: { caBundle } });
  }

  #say(wrong: string | undefined): void {
    if (wrong !== undefined && wrong !== this.#wrong) {
      this.#params.log.warn('the APIService of the external metrics does not lead here, and is left alone', {
        why: wrong,
      });
    }
    this.#wrong = wrong;
  }
}

/** Why an APIService is not the one that leads to us; undefined where it is. */
export function wrongWith(
  { spec }: ApiService,
  ours: { readonly service: string; readonly namespace: string },
): string | undefined {
  const { name, namespace } = spec?.service ?? {};
  if (name === ours.service && namespace === ours.namespace) return undefined;
  const place = name === undefined ? 'the API server itself' : `Service ${name} in namespace ${namespace}`;
  return `${apiServiceName} is another’s: it leads to ${place}, not to Service ${ours.service} in ${ours.namespace}`;
}
