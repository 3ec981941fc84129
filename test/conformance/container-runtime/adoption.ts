/** What a later attempt finds of what an earlier one, often of another process, has started. */
import { describe, expect, test } from 'vitest';
import { forever, type Harbour } from './harbour.js';

export function adoption(harbour: Harbour): void {
  describe('adopting', () => {
    test('finds the container that still runs', async () => {
      const first = await harbour.run(`echo once; ${forever}`);
      await first.running;
      const other = await harbour.open();
      expect(await harbour.start(first.spec, other)).toEqual({ name: first.name, adopted: true });
      const second = harbour.watch(first.spec.jobId, other);
      await second.running;
      expect((await other.list()).filter(({ jobId }) => jobId === first.spec.jobId)).toHaveLength(1);
      await harbour.runtime.remove({ jobId: first.spec.jobId });
      expect(await second.end).toMatchObject({ reason: 'lost' });
    });

    test('finds the end and the log of one that has ended', async () => {
      const { spec, name, end } = await harbour.run('echo done; exit 3');
      const seen = await end;
      const other = await harbour.open();
      expect(await harbour.start(spec, other)).toEqual({ name, adopted: true });
      expect(await harbour.watch(spec.jobId, other).end).toEqual(seen);
      expect((await harbour.printed(spec.jobId, other)).toString()).toBe('done\n');
    });

    test('starts one where several start it at once', async () => {
      const spec = harbour.spec(forever);
      const others = await Promise.all([harbour.open(), harbour.open(), harbour.open()]);
      const started = await Promise.all(others.map((other) => harbour.start(spec, other)));
      expect(started.filter(({ adopted }) => !adopted)).toHaveLength(1);
      expect(new Set(started.map(({ name }) => name)).size).toBe(1);
      await harbour.watch(spec.jobId).running;
      expect((await harbour.runtime.list()).filter(({ jobId }) => jobId === spec.jobId)).toHaveLength(1);
    });

    test('goes on when the runtime that started it is closed', async () => {
      const other = await harbour.open();
      const spec = harbour.spec(`sleep 2; echo still here`);
      await harbour.start(spec, other);
      await other.close();
      expect(await harbour.start(spec)).toMatchObject({ adopted: true });
      expect((await harbour.printed(spec.jobId)).toString()).toBe('still here\n');
      expect(await harbour.watch(spec.jobId).end).toMatchObject({ reason: 'exited', exitCode: 0 });
    });

    test('takes a new one where the old one was released', async () => {
      const { spec, name, end } = await harbour.run('cat /proc/sys/kernel/random/uuid; exit 4');
      await end;
      const before = (await harbour.printed(spec.jobId)).toString();
      await harbour.runtime.release({ jobId: spec.jobId });
      expect(await harbour.start(spec)).toEqual({ name, adopted: false });
      expect(await harbour.watch(spec.jobId).end).toMatchObject({ reason: 'exited', exitCode: 4 });
      expect((await harbour.printed(spec.jobId)).toString()).not.toBe(before);
      expect(await harbour.listed(spec.jobId)).toEqual({ jobId: spec.jobId, running: false });
    });

    test('takes a new one where the old one is being removed', async () => {
      const { spec, name, running } = await harbour.run(`trap '' TERM; echo up; sleep 3600`);
      await running;
      const removed = harbour.runtime.remove({ jobId: spec.jobId });
      const other = await harbour.open();
      const { adopted } = await harbour.start(spec, other);
      await removed;
      // Whoever was asked first, there is at most one, and what is waited for is it.
      if (adopted) expect(await harbour.watch(spec.jobId, other).end).toMatchObject({ reason: 'lost' });
      else await harbour.watch(spec.jobId, other).running;
      expect((await other.list()).filter(({ jobId }) => jobId === spec.jobId).length).toBeLessThanOrEqual(1);
      expect(name).toContain(spec.jobId);
    });
  });
}
