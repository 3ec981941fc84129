/** What containers print. */
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/clock.js';
import { forever, type Harbour } from './harbour.js';

export function logs(harbour: Harbour): void {
  describe('the log', () => {
    test('has both streams in their order, to the last byte', async () => {
      const script = `echo one; sleep 1; echo two >&2; sleep 1; echo; printf 'ü\\377\\tthree'`;
      const { spec } = await harbour.run(script);
      const odd = harbour.made.logsAreText ? Buffer.from('\ufffd') : Buffer.of(0xff);
      const expected = Buffer.concat([Buffer.from('one\ntwo\n\nü'), odd, Buffer.from('\tthree')]);
      expect(await harbour.printed(spec.jobId)).toEqual(expected);
      // And again, of one that has ended.
      expect(await harbour.printed(spec.jobId)).toEqual(expected);
    });

    test('is told while it runs, and ends with it', async () => {
      const { spec } = await harbour.run(`echo first; ${forever}`);
      const log = harbour.runtime.logs({ jobId: spec.jobId, signal: harbour.over })[Symbol.asyncIterator]();
      expect(await harbour.printedUntil(log, 'first\n')).toBe('first\n');
      expect(await harbour.listed(spec.jobId)).toMatchObject({ running: true });
      await harbour.runtime.remove({ jobId: spec.jobId });
      while (!(await log.next()).done);
    });

    test('has each reader begin at the beginning', async () => {
      const { spec, end } = await harbour.run(`echo first; sleep 4; echo second`);
      const log = harbour.runtime.logs({ jobId: spec.jobId, signal: harbour.over })[Symbol.asyncIterator]();
      await harbour.printedUntil(log, 'first\n');
      const other = await harbour.open();
      expect((await harbour.printed(spec.jobId, other)).toString()).toBe('first\nsecond\n');
      expect(await harbour.printedUntil(log, 'second\n')).toBe('second\n');
      expect((await log.next()).done).toBe(true);
      await end;
    });

    test('loses nothing of five megabytes', async () => {
      const { spec, end } = await harbour.run(
        `i=0; while [ $i -lt 50000 ]; do echo "$i ${'x'.repeat(94)}"; i=$((i+1)); done`,
      );
      const lines = (await harbour.printed(spec.jobId)).toString().split('\n');
      expect(lines.pop()).toBe('');
      const wrong = lines.findIndex((line, index) => line !== `${index} ${'x'.repeat(94)}`);
      expect({ wrong, lines: lines.length }).toEqual({ wrong: -1, lines: 50_000 });
      expect(await end).toMatchObject({ exitCode: 0 });
    });

    test('has a line of a megabyte as it is', async () => {
      const { spec } = await harbour.run(`head -c 1000000 /dev/zero | tr '\\0' y; echo; echo end`);
      const printed = (await harbour.printed(spec.jobId)).toString();
      expect(printed.length).toBe(1_000_005);
      expect(printed).toBe(`${'y'.repeat(1_000_000)}\nend\n`);
    });

    test('is empty where nothing is printed', async () => {
      const { spec } = await harbour.run('exit 0');
      expect(await harbour.printed(spec.jobId)).toHaveLength(0);
    });

    test('ends quietly when its reader has enough, and the container goes on', async () => {
      const { spec } = await harbour.run(`echo first; ${forever}`);
      const stop = new AbortController();
      const log = harbour.runtime.logs({ jobId: spec.jobId, signal: stop.signal })[Symbol.asyncIterator]();
      await harbour.printedUntil(log, 'first\n');
      const next = log.next();
      stop.abort(new Error('enough'));
      expect((await next).done).toBe(true);
      expect(await harbour.listed(spec.jobId)).toMatchObject({ running: true });
    });

    test('ends by itself where there is no container', async () => {
      expect(await harbour.printed(systemClock.id())).toHaveLength(0);
    });
  });
}
