/** How containers end, and what is said of it. */
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/clock.js';
import { forever, megabyte, type Harbour } from './harbour.js';

export function ends(harbour: Harbour): void {
  describe('ending', () => {
    test.for([0, 1, 2, 42, 125, 126, 127, 137, 255])('tells exit code %i', async (exitCode) => {
      const { end } = await harbour.run(`exit ${exitCode}`);
      expect(await end).toMatchObject({ reason: 'exited', exitCode });
    });

    test('tells when it ran', async () => {
      const before = systemClock.now();
      const { end } = await harbour.run('sleep 2');
      const { startedAt, finishedAt } = await end;
      const after = systemClock.now();
      // Runtimes may tell whole seconds.
      expect(startedAt).toBeGreaterThanOrEqual(before - 1_000);
      expect(finishedAt - startedAt!).toBeGreaterThanOrEqual(1_000);
      expect(finishedAt).toBeLessThanOrEqual(after + 1_000);
    });

    test('says out-of-memory of one that takes more than it may', async () => {
      const { spec, end } = await harbour.run('echo eating; x=a; while :; do x="$x$x"; done', {
        memory: 32 * megabyte,
      });
      expect(await end).toMatchObject({ reason: 'out-of-memory' });
      expect((await harbour.printed(spec.jobId)).toString()).toContain('eating');
    });

    test('leaves one alone that uses what it may', async () => {
      const { end } = await harbour.run('x=$(head -c 8000000 /dev/zero | tr "\\0" x); echo ${#x}', {
        memory: 128 * megabyte,
      });
      expect(await end).toMatchObject({ reason: 'exited', exitCode: 0 });
    });

    test('says deadline of one that takes longer than it may, whose log stays', async () => {
      const { spec, end, running } = await harbour.run(`echo before; ${forever}`, { timeoutMs: 4_000 });
      const printed = harbour.printed(spec.jobId);
      await running;
      expect(await end).toMatchObject({ reason: 'deadline' });
      expect((await printed).toString()).toBe('before\n');
    });

    test('says deadline of one that does not listen to signals', async () => {
      const { end } = await harbour.run(`trap '' TERM INT; while :; do sleep 1; done`, { timeoutMs: 2_000 });
      expect(await end).toMatchObject({ reason: 'deadline' });
    });

    test('says image of one that cannot be had', async () => {
      const { states, end } = await harbour.run('exit 0', { image: harbour.made.absentImage });
      const { reason, message, startedAt } = await end;
      expect({ reason, startedAt }).toEqual({ reason: 'image', startedAt: undefined });
      expect(message).not.toBe('');
      expect(states).not.toContain('running');
    });

    test('says lost of one that somebody removed', async () => {
      const { name, end, running } = await harbour.run(forever);
      await running;
      await harbour.made.destroy(name);
      expect(await end).toMatchObject({ reason: 'lost' });
    });

    test('says lost where there is none', async () => {
      const { end } = harbour.watch(systemClock.id());
      expect(await end).toMatchObject({ reason: 'lost' });
    });

    test('lets it run on when nobody waits any more', async () => {
      const spec = harbour.spec(forever);
      await harbour.start(spec);
      await harbour.watch(spec.jobId).running;
      const stop = new AbortController();
      const why = new Error('enough');
      const end = harbour.runtime.wait({
        jobId: spec.jobId,
        signal: stop.signal,
        onState: () => stop.abort(why),
      });
      await expect(end).rejects.toBe(why);
      expect(await harbour.listed(spec.jobId)).toEqual({ jobId: spec.jobId, running: true });
    });

    test('is told to all that wait', async () => {
      const { spec, end } = await harbour.run('sleep 2; exit 5');
      const other = await harbour.open();
      const theirs = harbour.watch(spec.jobId, other).end;
      const mine = harbour.watch(spec.jobId).end;
      expect([await end, await theirs, await mine]).toEqual(Array(3).fill(await end));
    });
  });
}
