/** What is left of containers, and how it goes. */
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/clock.js';
import { forever, type Harbour } from './harbour.js';

export function leftovers(harbour: Harbour): void {
  describe('what is left', () => {
    test('is listed until it is released, whoever started it', async () => {
      const other = await harbour.open();
      const { spec, running, end } = await harbour.run('sleep 3');
      await running;
      expect(await harbour.listed(spec.jobId, other)).toEqual({ jobId: spec.jobId, running: true });
      await end;
      expect(await harbour.listed(spec.jobId, other)).toEqual({ jobId: spec.jobId, running: false });
      await other.release({ jobId: spec.jobId });
      expect(await harbour.listed(spec.jobId, other)).toBeUndefined();
      expect(await harbour.listed(spec.jobId)).toBeUndefined();
    });

    test('is not listed to another deployment', async () => {
      const { spec, running } = await harbour.run(forever);
      await running;
      const stranger = await harbour.open(systemClock.token().slice(0, 16));
      expect(await stranger.list()).toEqual([]);
      expect(await harbour.listed(spec.jobId)).toMatchObject({ running: true });
    });

    test('is removed in the middle of its run, and again', async () => {
      const { spec, running, end } = await harbour.run(forever);
      await running;
      await harbour.runtime.remove({ jobId: spec.jobId });
      expect(await harbour.listed(spec.jobId)).toBeUndefined();
      expect(await end).toMatchObject({ reason: 'lost' });
      await harbour.runtime.remove({ jobId: spec.jobId });
    });

    test('is removed before it runs', async () => {
      const spec = harbour.spec(forever);
      await harbour.start(spec);
      await harbour.runtime.remove({ jobId: spec.jobId });
      expect(await harbour.listed(spec.jobId)).toBeUndefined();
      expect(await harbour.watch(spec.jobId).end).toMatchObject({ reason: 'lost' });
    });

    test('is removed after its end', async () => {
      const { spec, end } = await harbour.run('exit 0');
      await end;
      await harbour.runtime.remove({ jobId: spec.jobId });
      expect(await harbour.listed(spec.jobId)).toBeUndefined();
      expect(await harbour.start(spec)).toMatchObject({ adopted: false });
    });

    test('may be released or removed where there is nothing', async () => {
      const jobId = systemClock.id();
      await harbour.runtime.release({ jobId });
      await harbour.runtime.remove({ jobId });
    });

    test('has a name and a version to tell', async () => {
      expect(await harbour.runtime.version()).toMatch(/\d+\.\d+/);
    });
  });
}
