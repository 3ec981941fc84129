/**
 * Who asks. As in every API server that extends Kubernetes, it is Kubernetes that says so: the requests that it passes
 * on come with a certificate that its ConfigMap names, and say in their heads whose they are; others bring a token,
 * and are looked up.
 */
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Clock } from '../../clock.js';
import type { Api } from '../api.js';
import { Recent } from './recent.js';

export interface Identity {
  readonly name: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra: Readonly<Record<string, readonly string[]>>;
}

/** Of the ConfigMap kube-system/extension-apiserver-authentication. */
export interface RequestHeaderRules {
  /** The certificates by which those of proxies are signed, PEM. */
  readonly authority: string;
  /** The proxies' common names; any, where there are none. */
  readonly names: readonly string[];
  readonly userHeaders: readonly string[];
  readonly uidHeaders: readonly string[];
  readonly groupHeaders: readonly string[];
  readonly extraPrefixes: readonly string[];
}

interface TokenReview {
  readonly status?: {
    readonly authenticated?: boolean;
    readonly user?: {
      readonly username?: string;
      readonly uid?: string;
      readonly groups?: readonly string[];
      readonly extra?: Readonly<Record<string, readonly string[]>>;
    };
  };
}

const configMap = '/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication';
const everybodyKnown = 'system:authenticated';

/** @returns undefined where the cluster has no proxies that are to be believed. */
export async function readRequestHeaderRules(api: Api): Promise<RequestHeaderRules | undefined> {
  const { data = {} } = await api.get<{ data?: Readonly<Record<string, string>> }>(configMap);
  const authority = data['requestheader-client-ca-file'];
  if (authority === undefined || authority.trim() === '') return undefined;
  const list = (name: string): readonly string[] => {
    const value: unknown = JSON.parse(data[`requestheader-${name}`] ?? '[]');
    if (Array.isArray(value) && value.every((one) => typeof one === 'string')) return value;
    throw new Error(`${configMap}: requestheader-${name} is no list of names`);
  };
  return {
    authority,
    names: list('allowed-names'),
    userHeaders: list('username-headers'),
    uidHeaders: list('uid-headers'),
    groupHeaders: list('group-headers'),
    extraPrefixes: list('extra-headers-prefix'),
  };
}

export class Authentication {
  readonly #api: Api;
  readonly #reviews: Recent<Identity | undefined>;

  constructor(params: { api: Api; clock: Clock }) {
    this.#api = params.api;
    this.#reviews = new Recent(params.clock);
  }

  /**
   * @param rules those by which the connection's certificate was judged.
   * @returns undefined for somebody whom nobody knows.
   * @throws ApiError where the API server does not answer.
   */
  async identify(
    request: IncomingMessage,
    rules: RequestHeaderRules | undefined,
  ): Promise<Identity | undefined> {
    const proxied = rules && isProxy(request.socket, rules) && named(request, rules);
    if (proxied) return proxied;
    const [, token] = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '') ?? [];
    if (token === undefined) return undefined;
    // Tokens are not kept, not even in memory.
    const key = createHash('sha256').update(token).digest('base64');
    return this.#reviews.get(key, () => this.#review(token));
  }

  async #review(token: string): Promise<Identity | undefined> {
    const { status } = await this.#api.create<TokenReview>('/apis/authentication.k8s.io/v1/tokenreviews', {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      spec: { token },
    });
    const { username, uid, groups = [], extra = {} } = status?.user ?? {};
    if (status?.authenticated !== true || username === undefined) return undefined;
    return known({ name: username, ...(uid !== undefined && { uid }), groups, extra });
  }
}

/** Whether somebody has shown who he is: a proxy passes on strangers too. */
export function isKnown({ groups }: Identity): boolean {
  return groups.includes(everybodyKnown);
}

function known(identity: Identity): Identity {
  const { name, groups } = identity;
  if (name === 'system:anonymous' || groups.includes('system:unauthenticated') || isKnown(identity))
    return identity;
  return { ...identity, groups: [...groups, everybodyKnown] };
}

/** A session that is taken up again without a certificate counts as authorized too: only one with a certificate is. */
function isProxy(socket: Socket, { names }: RequestHeaderRules): boolean {
  if (!(socket instanceof TLSSocket) || !socket.authorized || socket.getPeerX509Certificate() === undefined)
    return false;
  const { CN: name } = socket.getPeerCertificate().subject;
  return names.length === 0 || (typeof name === 'string' && names.includes(name));
}

function named(request: IncomingMessage, rules: RequestHeaderRules): Identity | undefined {
  const heads = request.headersDistinct;
  const all = (names: readonly string[]): readonly string[] =>
    names.flatMap((name) => heads[name.toLowerCase()] ?? []).filter((value) => value !== '');
  const [name] = all(rules.userHeaders);
  if (name === undefined) return undefined;
  const [uid] = all(rules.uidHeaders);
  const extra: Record<string, string[]> = Object.create(null) as Record<string, string[]>;
  for (const prefix of rules.extraPrefixes.map((one) => one.toLowerCase())) {
    for (const [head, values] of Object.entries(heads)) {
      if (!head.startsWith(prefix)) continue;
      (extra[unescaped(head.slice(prefix.length))] ??= []).push(...(values ?? []));
    }
  }
  return known({ name, ...(uid !== undefined && { uid }), groups: all(rules.groupHeaders), extra });
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
