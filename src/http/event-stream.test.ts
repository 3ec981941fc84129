/** A stream of events in bounded memory, read by hand. */
import { describe, expect, it } from 'vitest';
import { EventStream, jobEvent } from './event-stream.js';

const padding = 'x'.repeat(200);
const event = (job: string, version: number): string => jobEvent(`${job}:${version}`, { job, padding });

async function readAll(stream: EventStream): Promise<string> {
  let text = '';
  for await (const chunk of stream) text += String(chunk);
  return text;
}

describe('a stream of events', () => {
  it('gives everything in order to a client that reads', async () => {
    const stream = new EventStream();
    const text = readAll(stream);
    for (let version = 1; version <= 50; version++) stream.send('a', event('a', version));
    stream.finish();
    const ids = [...(await text).matchAll(/^id: a:(\d+)$/gm)].map(([, id]) => Number(id));
    expect(ids).toEqual(Array.from({ length: 50 }, (_, i) => i + 1));
  });

  it('keeps the latest event of a job for a client that does not read', async () => {
    const stream = new EventStream();
    for (let version = 1; version <= 10_000; version++) {
      stream.send('a', event('a', version));
      stream.send('b', event('b', version));
    }
    expect(stream.readableLength).toBeLessThan(20_000);
    stream.finish();
    const text = await readAll(stream);
    expect(text.length).toBeLessThan(25_000);
    expect(text).toContain('id: a:10000\n');
    expect(text).toContain('id: b:10000\n');
  });

  it('holds a bounded number of jobs, and tells how many events were lost', async () => {
    const stream = new EventStream();
    for (let job = 0; job < 10_000; job++) stream.send(`j${job}`, event(`j${job}`, 1));
    stream.finish();
    const text = await readAll(stream);
    const sent = [...text.matchAll(/^event: job$/gm)].length;
    const [, lost] = /^event: lost\ndata: \{"events":(\d+)\}$/m.exec(text)!;
    expect(sent + Number(lost)).toBe(10_000);
    expect(sent).toBeLessThan(500);
  });

  it('gives output its place before the last change of state, and only some of it to a slow client', async () => {
    const stream = new EventStream();
    const piece = 'x'.repeat(1_000);
    for (let count = 0; count < 500; count++) stream.sendOutput('a', piece);
    stream.send('a', event('a', 2));
    expect(stream.readableLength).toBeLessThan(20_000);
    stream.finish();
    const text = await readAll(stream);
    const parts = [...text.matchAll(/^event: (\w+)\n(?:id: .*\n)?data: (.*)$/gm)];
    expect(parts.at(-1)![1]).toBe('job');
    const output = parts
      .filter(([, name]) => name === 'output')
      .map(([, , data]) => JSON.parse(data!) as { id: string; text: string });
    expect(new Set(output.map(({ id }) => id))).toEqual(new Set(['a']));
    const printed = output.map((one) => one.text).join('');
    const [, leftOut] = /\n\[(\d+) characters were left out here: the connection is too slow\]\n$/.exec(
      printed,
    )!;
    expect(printed.split('x').length - 1 + Number(leftOut)).toBe(500_000);
    expect(text.length).toBeLessThan(100_000);
  });

  it('beats only where nothing waits to be read', async () => {
    const stream = new EventStream();
    stream.beat();
    for (let version = 1; version <= 200; version++) stream.send('a', event('a', version));
    stream.beat();
    stream.finish();
    expect([...(await readAll(stream)).matchAll(/^: still here$/gm)]).toHaveLength(1);
  });
});
