import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../clock.js';
import { DrayClient } from './client.js';
import { parseEvents, type ServerEvent } from './event-stream.js';

async function parse(chunks: readonly Uint8Array[]): Promise<ServerEvent[]> {
  const events: ServerEvent[] = [];
  const source = async function* () {
    for (const chunk of chunks) yield await Promise.resolve(chunk);
  };
  for await (const event of parseEvents(source())) events.push(event);
  return events;
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('a stream of events', () => {
  it('is read as the standard says', async () => {
    const text =
      ': a comment\nretry: 2000\n\nevent: job\nid: 7\ndata: {"a":\ndata: 1}\n\ndata:no space\nunknown: x\n\nid\ndata\n\nid: 9\n\ndata: unfinished\n';
    expect(await parse([bytes(text)])).toEqual([
      { name: 'message', data: '', id: undefined, retryMs: 2_000 },
      { name: 'job', data: '{"a":\n1}', id: '7' },
      { name: 'message', data: 'no space', id: '7' },
      { name: 'message', data: '', id: '' },
    ]);
  });

  it('is the same however it is cut and whatever ends its lines', async () => {
    const text = 'event: job\nid: 1\ndata: "ä€😀"\n\n: beat\n\ndata: a\ndata: b\n\n';
    const whole = await parse([bytes(text)]);
    expect(whole).toHaveLength(2);
    const cuts = fc.uniqueArray(fc.integer({ min: 1, max: 80 }));
    await fc.assert(
      fc.asyncProperty(cuts, fc.constantFrom('\n', '\r\n', '\r'), async (at, end) => {
        const all = bytes(text.replaceAll('\n', end));
        const ends = [...at.filter((cut) => cut < all.length).sort((a, b) => a - b), all.length];
        const parts = ends.map((to, index) => all.subarray(ends[index - 1] ?? 0, to));
        // What follows shows that a lone carriage return at the end was an end of line.
        expect(await parse([...parts, bytes(`:${end}`)])).toEqual(whole);
      }),
    );
  });

  it('is left where a block grows beyond all bounds', async () => {
    const line = bytes(`data: ${'x'.repeat(400_000)}\n`);
    await expect(parse([line, line, line])).rejects.toThrow('longer than 1 MiB');
    await expect(parse([bytes('x'.repeat(1 << 21))])).rejects.toThrow('longer than 1 MiB');
  });
});

describe('following events', () => {
  let server: Server | undefined;
  afterEach(() => {
    server?.closeAllConnections();
    server?.close();
  });

  const event = (id: string, data: object): string =>
    `event: job\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`;

  /** A client of a server that answers one request after the other as told. */
  async function clientOf(answers: ((response: ServerResponse) => void)[]) {
    const asked: string[] = [];
    server = createServer((request, response) => {
      asked.push(`${request.url!} ${request.headers['last-event-id']?.toString() ?? '-'}`);
      const answer = answers.shift();
      if (answer) answer(response);
      else request.destroy();
    });
    await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    let passed = 0;
    const sleep = (ms: number): Promise<void> => Promise.resolve(void (passed += ms));
    const clock = { ...systemClock, monotonic: () => passed, sleep };
    return { client: new DrayClient({ baseUrl: `http://127.0.0.1:${port}`, clock }), asked };
  }

  const stream =
    (text: string, then: 'end' | 'break') =>
    (response: ServerResponse): void => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      if (then === 'end') response.end(text);
      else response.write(text, () => response.destroy());
    };

  it('of a job goes on after a break from the last id, and ends with its final state', async () => {
    const { client, asked } = await clientOf([
      stream(event('1', { status: 'pending' }), 'break'),
      stream(event('2', { status: 'in-progress' }), 'end'),
      stream(event('3', { status: 'completed' }), 'break'),
    ]);
    const seen: string[] = [];
    for await (const { status } of client.events('j')) seen.push(status);
    expect(seen).toEqual(['pending', 'in-progress', 'completed']);
    expect(asked).toEqual(['/v1/jobs/j/events -', '/v1/jobs/j/events 1', '/v1/jobs/j/events 2']);
  });

  it('of a job gives what it prints to whoever wants it', async () => {
    const output = { id: 'j', text: 'half a line' };
    const { client } = await clientOf([
      stream(
        `${event('1', { status: 'in-progress' })}event: output\ndata: ${JSON.stringify(output)}\n\n${event('2', { status: 'completed' })}`,
        'end',
      ),
    ]);
    const seen: unknown[] = [];
    const onOutput = (one: unknown): void => void seen.push(one);
    for await (const { status } of client.events('j', { onOutput })) seen.push(status);
    expect(seen).toEqual(['in-progress', output, 'completed']);
  });

  it('of a job ends where the server has nothing more', async () => {
    const { client } = await clientOf([
      stream('id: 4\nretry: 10\n\n', 'end'),
      (response) => void response.writeHead(204).end(),
    ]);
    const seen: unknown[] = [];
    for await (const each of client.events('j')) seen.push(each);
    expect(seen).toEqual([]);
  });

  it('of all jobs tells where some may have been missed', async () => {
    const { client, asked } = await clientOf([
      stream(event('a:1', { id: 'a' }) + 'event: lost\ndata: {"events":3}\n\n', 'end'),
      stream(event('b:1', { id: 'b' }), 'break'),
      stream(event('c:1', { id: 'c' }), 'break'),
    ]);
    const seen: string[] = [];
    const options = { type: 'echo', status: 'failed', onGap: () => void seen.push('gap') } as const;
    for await (const { id } of client.events(undefined, options)) {
      seen.push(id);
      if (id === 'c') break;
    }
    expect(seen).toEqual(['a', 'gap', 'gap', 'b', 'gap', 'c']);
    expect(asked[0]).toBe('/v1/events?type=echo&status=failed -');
  });

  it('gives up on a server that stays away, and on one that gives no events', async () => {
    const { client } = await clientOf([
      (response) => void response.end('{}'),
      stream('event: job\ndata: {\n\n', 'end'),
    ]);
    await expect(client.events().next()).rejects.toMatchObject({ kind: 'unexpected' });
    await expect(client.events().next()).rejects.toMatchObject({ kind: 'unexpected' });
    await expect(client.events().next()).rejects.toMatchObject({ kind: 'unreachable' });
  });

  it('ends with the reason when aborted', async () => {
    const { client } = await clientOf([
      (response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write(event('a:1', { id: 'a' }));
      },
    ]);
    const stop = new AbortController();
    const events = client.events(undefined, { signal: stop.signal });
    expect((await events.next()).value).toEqual({ id: 'a' });
    stop.abort(new Error('enough'));
    await expect(events.next()).rejects.toThrow('enough');
  });
});
