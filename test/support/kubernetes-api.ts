/**
 * As much of a Kubernetes API server as these tests need, where none can be had: objects by path that are read and
 * merged, and reviews. `npm run test:cluster` asks real ones the same.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { KubeConfig } from '@kubernetes/client-node';
import { systemClock, type Clock } from '../../src/clock.js';
import { Api } from '../../src/kubernetes/api.js';

export type Json = Record<string, unknown>;

interface Answer {
  readonly code: number;
  readonly body: unknown;
}

export class KubernetesStandIn {
  /** By path. A write names the `resourceVersion` or the `uid` that it means. */
  readonly objects = new Map<string, Json>();
  /** What a POST to a path gives. */
  readonly reviews = new Map<string, (review: Json) => Json>();
  /** All requests, such as "PATCH /api/v1/…". */
  readonly asked: string[] = [];
  /** In place of what there is. */
  refuse: ((request: string) => number | undefined) | undefined;
  /** How long each answer takes. */
  delayMs = 0;
  /** Requests that were under way together. */
  mostAtOnce = 0;
  #underWay = 0;
  readonly #server = createServer((request, response) => {
    this.#underWay += 1;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.#underWay);
    void this.#answer(request).then(({ code, body }) => {
      this.#underWay -= 1;
      response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
  });

  async start(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  api(clock: Clock): Api {
    const { port } = this.#server.address() as AddressInfo;
    const server = `http://127.0.0.1:${port}`;
    const config = new KubeConfig();
    config.loadFromClusterAndUser({ name: 'stand-in', server, skipTLSVerify: true }, { name: 'nobody' });
    return new Api({ config, server, namespace: 'here', clock });
  }

  put(path: string, object: Json): void {
    this.objects.set(path, {
      ...object,
      metadata: { resourceVersion: '1', ...(object['metadata'] as Json) },
    });
  }

  async #answer(request: IncomingMessage): Promise<Answer> {
    const { method = 'GET', url = '/' } = request;
    const [path = ''] = url.split('?', 1);
    let text = '';
    for await (const chunk of request) text += String(chunk);
    if (this.delayMs > 0) await systemClock.sleep(this.delayMs);
    const body = (text === '' ? {} : JSON.parse(text)) as Json;
    this.asked.push(`${method} ${path}`);
    const refused = this.refuse?.(`${method} ${path}`);
    if (refused !== undefined) return failure(refused, 'refused');
    if (method === 'POST') {
      const review = this.reviews.get(path);
      return review ? { code: 201, body: { ...body, ...review(body) } } : failure(403, 'no such review');
    }
    const object = this.objects.get(path);
    if (!object) return failure(404, `${path} not found`);
    if (method !== 'PATCH') return { code: 200, body: object };
    const is = object['metadata'] as Json;
    const meant = (body['metadata'] ?? {}) as Json;
    for (const name of ['resourceVersion', 'uid']) {
      if (meant[name] !== undefined && meant[name] !== is[name]) return failure(409, `another ${name}`);
    }
    const next = merged(object, body) as { metadata: Json };
    next.metadata['resourceVersion'] = String(Number(is['resourceVersion']) + 1);
    this.objects.set(path, next);
    return { code: 200, body: next };
  }
}

function failure(code: number, message: string): Answer {
  return { code, body: { kind: 'Status', message } };
}

function merged(into: Json, change: Json): Json {
  const result: Json = { ...into };
  for (const [key, value] of Object.entries(change)) {
    const both = isObject(value) && isObject(result[key]);
    result[key] = both ? merged(result[key] as Json, value) : value;
  }
  return result;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
