import { describe, expect, it } from 'vitest';
import { MemoryBlobs } from '../../testing/index.js';
import { ContainerLog } from './log.js';

const open = async (most?: number) => {
  const blobs = new MemoryBlobs();
  const shown: string[] = [];
  const writer = await blobs.create({ mediaType: 'text/plain; charset=utf-8' });
  const log = new ContainerLog({
    writer,
    output: (text) => void shown.push(text),
    ...(most !== undefined && { most }),
  });
  const close = async () => Buffer.from(blobs.bytes(await log.close())).toString();
  return { log, shown, close };
};

describe('the log of a container', () => {
  it('is passed on and kept as it comes, with characters that were cut in two made whole', async () => {
    const { log, shown, close } = await open();
    const bytes = Buffer.from('grün\n');
    await log.add(bytes.subarray(0, 3));
    await log.add(bytes.subarray(3));
    expect(shown.join('')).toBe('grün\n');
    expect(await close()).toBe('grün\n');
  });

  it('is text whatever bytes the container prints', async () => {
    const { log, close } = await open();
    await log.add(Buffer.from([0x61, 0xff, 0xe2, 0x82]));
    expect(await close()).toBe('a\ufffd\ufffd');
  });

  it('is kept up to its bound, in whole characters, and says so once', async () => {
    const { log, shown, close } = await open(5);
    await log.add(Buffer.from('abcd€'));
    await log.add(Buffer.from('more'));
    await log.note('over');
    expect(shown.join('')).toBe('abcd€more\n[dray] over\n');
    expect(await close()).toBe(
      'abcd\n[dray] the log is longer than 5 bytes; the rest is not kept\n\n[dray] over\n',
    );
  });

  it('says that it is longer also where its bound falls between two pieces', async () => {
    const { log, close } = await open(4);
    await log.add(Buffer.from('abcd'));
    await log.add(Buffer.from('e'));
    expect(await close()).toContain('longer than 4 bytes');
  });

  it('has the notes on lines of their own, and is empty with these alone', async () => {
    const { log, close } = await open();
    await log.note('first');
    expect(log.empty).toBe(true);
    await log.add(Buffer.from('half a line'));
    expect(log.empty).toBe(false);
    await log.note('second');
    expect(await close()).toBe('[dray] first\nhalf a line\n[dray] second\n');
  });

  it('takes nothing once it is closed', async () => {
    const { log, shown, close } = await open();
    const pending = log.add(Buffer.from('x'));
    const text = close();
    expect(await pending).toBe(false);
    expect(await log.add(Buffer.from('y'))).toBe(false);
    expect(await text).toBe('x');
    expect(shown).toEqual(['x']);
  });
});
