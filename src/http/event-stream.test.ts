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

  it('beats only where nothing waits to be read', async () => {
    const stream = new EventStream();
    stream.beat();
    for (let version = 1; version <= 200; version++) stream.send('a', event('a', version));
    stream.beat();
    stream.finish();
    expect([...(await readAll(stream)).matchAll(/^: still here$/gm)]).toHaveLength(1);
  });
});
