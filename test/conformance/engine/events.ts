import { describe, expect, test } from 'vitest';
import type { JobEvent } from '../../../src/engine/engine.js';
import { Bench, boom, minute, type EngineFactory } from './setup.js';

export function events(factory: EngineFactory): void {
  describe('events', () => {
    const bench = new Bench(factory);

    /** Runs `act` and gives what was told of jobs of the type meanwhile. */
    const seen = async (type: string, act: () => Promise<unknown>): Promise<JobEvent[]> => {
      const all: JobEvent[] = [];
      await bench.engine.ping(); // what was told of before is over
      const end = bench.engine.subscribe((event) => all.push(event));
      await act();
      await bench.engine.ping(); // answered after what came before it
      end();
      return all.filter((event) => event.type === type);
    };

    test('tells of each change, with the version it made', async () => {
      const type = bench.newType();
      const { engine } = bench;
      let id = '';
      const told = await seen(type, async () => {
        id = (await bench.submit({ type })).id;
        const [first] = await bench.claim({ types: [type] });
        await engine.heartbeat({
          leases: [{ id, token: first!.token, progress: { fraction: 0.5 } }],
          leaseMs: minute,
        });
        await engine.fail({ id, token: first!.token, error: boom, retryInMs: 0 });
        await engine.maintain();
        const [second] = await bench.claim({ types: [type] });
        await engine.complete({ id, token: second!.token, result: { inline: 1 } });
      });
      expect(told.map(({ status, version }) => [status, version])).toEqual([
        ['pending', 1],
        ['in-progress', 2],
        ['in-progress', 2],
        ['scheduled', 3],
        ['pending', 4],
        ['in-progress', 5],
        ['completed', 6],
      ]);
      expect(new Set(told.map((event) => event.id))).toEqual(new Set([id]));
      expect((await bench.job(id)).version).toBe(6);
    });

    test('tells nothing of an operation that was refused', async () => {
      const { job, token } = await bench.lease();
      await bench.engine.complete({ id: job.id, token, result: { inline: 1 } });
      const told = await seen(job.type, () => bench.engine.cancel({ id: job.id }));
      expect(told).toEqual([]);
    });

    test('shows a reader the state that it was told of', async () => {
      const { id, type } = await bench.submit();
      const read: Promise<string>[] = [];
      const end = bench.engine.subscribe((event) => {
        if (event.type === type) read.push(bench.job(event.id).then((job) => job.status));
      });
      await bench.engine.cancel({ id });
      await bench.engine.ping();
      end();
      expect(await Promise.all(read)).toEqual(['cancelled']);
    });

    test('reaches other listeners past one that throws', async () => {
      const type = bench.newType();
      const end = bench.engine.subscribe(() => {
        throw new Error('broken listener');
      });
      const told = await seen(type, () => bench.submit({ type }));
      end();
      expect(told).toHaveLength(1);
    });

    test('tells nothing after the subscription ended', async () => {
      const all: JobEvent[] = [];
      bench.engine.subscribe((event) => all.push(event))();
      await bench.submit();
      await bench.engine.ping();
      expect(all).toEqual([]);
    });
  });
}
