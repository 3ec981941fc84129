/** Following jobs by server-sent events, over real connections. */
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { act, ended, submit } from '../support/api.js';
import { eventually } from '../support/eventually.js';
import { startServer, type TestServer } from '../support/server.js';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

const open: Listener[] = [];
afterEach(() => {
  for (const listener of open.splice(0)) listener.close();
});

interface Event {
  readonly id: string;
  readonly name: string;
  readonly data: { readonly id: string; readonly status: string; readonly version: number };
}

/** A client that keeps the events it was sent, and tells of each. */
class Listener {
  readonly events: Event[] = [];
  readonly ended: Promise<unknown>;
  readonly #response: IncomingMessage;
  #text = '';
  #arrived = (): void => undefined;

  constructor(response: IncomingMessage) {
    this.#response = response;
    this.ended = new Promise((resolve) => response.once('end', resolve));
    response.setEncoding('utf8').on('data', (chunk: string) => {
      const blocks = (this.#text + chunk).split('\n\n');
      this.#text = blocks.pop()!;
      for (const block of blocks) {
        const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1] ?? '';
        if (field('data') === '') continue;
        this.events.push({
          id: field('id'),
          name: field('event'),
          data: JSON.parse(field('data')) as Event['data'],
        });
      }
      this.#arrived();
    });
  }

  get status(): number {
    return this.#response.statusCode!;
  }

  async until(right: (events: readonly Event[]) => boolean): Promise<void> {
    while (!right(this.events)) await new Promise<void>((resolve) => (this.#arrived = resolve));
  }

  close(): void {
    this.#response.destroy();
  }
}

async function listen(
  path: string,
  headers: Record<string, string> = {},
  url = server.url,
): Promise<Listener> {
  const request = get(url + path, { headers, agent: false });
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const listener = new Listener(response);
  open.push(listener);
  response.on('error', () => undefined); // of those that are closed before their end
  return listener;
}

const statuses = ({ events }: Listener): string[] => events.map(({ data }) => data.status);

describe('the events of a job', () => {
  it('begin with the job as it is, and end with its final state', async () => {
    const job = await submit(server.url, 'sleep', { seconds: 600 });
    const listener = await listen(`/v1/jobs/${job.id}/events`);
    await listener.until((events) => events.some(({ data }) => data.status === 'in-progress'));
    await act(server.url, job.id, 'cancel');
    await listener.ended;
    expect(statuses(listener).at(-1)).toBe('cancelled');
    const versions = listener.events.map(({ data }) => data.version);
    expect(versions).toEqual([...versions].sort((a, b) => a - b));
    for (const { id, name, data } of listener.events) {
      expect({ id, name, job: data.id }).toEqual({ id: String(data.version), name: 'job', job: job.id });
    }
  });

  it('tell of progress', async () => {
    const job = await submit(server.url, 'sleep', { seconds: 600 });
    const listener = await listen(`/v1/jobs/${job.id}/events`);
    await listener.until((events) => events.some(({ data }) => 'progress' in data));
    await act(server.url, job.id, 'cancel');
    await listener.ended;
  });

  it('are one, of a job that has ended, and none for who has that one', async () => {
    const { id, version } = await ended(server.url, (await submit(server.url, 'echo', 1)).id);
    const first = await listen(`/v1/jobs/${id}/events`);
    await first.ended;
    expect(first.events).toMatchObject([{ id: String(version), data: { status: 'completed' } }]);
    const older = await listen(`/v1/jobs/${id}/events`, { 'last-event-id': String(version - 1) });
    await older.ended;
    expect(statuses(older)).toEqual(['completed']);
    expect((await listen(`/v1/jobs/${id}/events`, { 'last-event-id': String(version) })).status).toBe(204);
  });

  it('are refused for a job that there is not', async () => {
    const response = await fetch(`${server.url}/v1/jobs/019a0000-0000-7000-8000-000000000000/events`);
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ code: 'job-not-found' });
  });

  it('reach a thousand listeners, each to the end', async () => {
    const job = await submit(server.url, 'sleep', { seconds: 600 });
    const listeners = await Promise.all(
      Array.from({ length: 1_000 }, () => listen(`/v1/jobs/${job.id}/events`)),
    );
    await act(server.url, job.id, 'cancel');
    await Promise.all(listeners.map((listener) => listener.ended));
    expect(new Set(listeners.map((listener) => statuses(listener).at(-1)))).toEqual(new Set(['cancelled']));
  });
});

describe('the events of all jobs', () => {
  it('tell of each change, and only of those that were asked for', async () => {
    const all = await listen('/v1/events');
    const some = await listen('/v1/events?type=echo&status=completed');
    const sleep = await submit(server.url, 'sleep', { seconds: 0 });
    await ended(server.url, sleep.id);
    const echo = await submit(server.url, 'echo', 1);
    await some.until((events) => events.length > 0);
    expect(some.events).toMatchObject([{ data: { id: echo.id, type: 'echo', status: 'completed' } }]);
    const { id, data } = some.events[0]!;
    expect(id).toBe(`${echo.id}:${data.version}`);
    await all.until((events) => events.some((event) => event.id === id));
    const seen = all.events.map((event) => `${event.data.id} ${event.data.status}`);
    for (const status of ['pending', 'in-progress', 'completed'])
      expect(seen).toContain(`${sleep.id} ${status}`);
  });

  it('go on for others while one client does not read', async () => {
    const { port, host } = new URL(server.url);
    const deaf = connect(Number(port), '127.0.0.1');
    deaf.write(`GET /v1/events HTTP/1.1\r\nhost: ${host}\r\n\r\n`);
    await once(deaf, 'readable'); // the head has come; from here on nothing is read
    const listener = await listen('/v1/events?type=echo&status=completed');
    const jobs = await Promise.all(Array.from({ length: 500 }, (_, i) => submit(server.url, 'echo', i)));
    await listener.until((events) => new Set(events.map(({ data }) => data.id)).size === jobs.length);
    deaf.destroy();
  });

  it('end when the server stops', async () => {
    const other = await startServer();
    const response = await fetch(`${other.url}/v1/events`);
    const text = response.text();
    await other.stop();
    expect(await text).toContain('retry:');
  });

  it('are refused where too many listen, until one of them goes', async () => {
    const full = await startServer(); // one on which nobody else listens
    try {
      const listeners = await Promise.all(
        Array.from({ length: 2_000 }, () => listen('/v1/events', {}, full.url)),
      );
      const refused = await fetch(`${full.url}/v1/events`);
      expect(refused.status).toBe(503);
      expect(await refused.json()).toMatchObject({ code: 'unavailable' });
      expect(refused.headers.get('retry-after')).not.toBeNull();
      listeners[0]!.close();
      await eventually(
        () => listen('/v1/events', {}, full.url),
        ({ status }) => status === 200,
      );
    } finally {
      await full.stop();
    }
  });

  it('are refused with a filter that makes no sense', async () => {
    const response = await fetch(`${server.url}/v1/events?status=done`);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: 'invalid-request' });
  });
});
