import { describe, expect, test } from 'vitest';
import type { JobEvent } from '../../../src/engine/engine.js';
import { Bench, boom, minute, type EngineFactory } from './setup.js';

export function events(factory: EngineFactory): void {
  describe('output', () => {
    const bench = new Bench(factory);

    test('reaches those who listen to its job, in its order, and nobody else', async () => {
      const { engine } = bench;
      const [id, other] = [bench.clock.id(), bench.clock.id()];
      const heard: string[] = [];
      const note = (who: string) => (text: string) => void heard.push(`${who} ${text}`);
      engine.tell({ id, text: 'before' });
      await engine.ping();
      const endBroken = engine.listen({
        id,
        listener: () => {
          throw new Error('broken listener');
        },
      });
      const ends = [
        engine.listen({ id, listener: note('a') }),
        engine.listen({ id, listener: note('b') }),
        engine.listen({ id: other, listener: note('other') }),
      ];
      await engine.ping();
      const text = 'ü 🎲 \u0000 "\\" \r\n';
      engine.tell({ id, text: '1' });
      engine.tell({ id, text });
      await engine.ping();
      endBroken();
      ends[0]!();
      ends[0]!(); // twice is harmless
      engine.tell({ id, text: '3' });
      await engine.ping();
      for (const end of ends) end();
      engine.tell({ id, text: '4' });
      await engine.ping();
      expect(heard).toEqual(['a 1', 'b 1', `a ${text}`, `b ${text}`, 'b 3']);
    });

    test('reaches who listens again', async () => {
      const { engine } = bench;
      const id = bench.clock.id();
      const heard: string[] = [];
      const listen = () => engine.listen({ id, listener: (text) => heard.push(text) });
      listen()();
      const end = listen();
      await engine.ping();
      engine.tell({ id, text: 'x' });
      await engine.ping();
      end();
      expect(heard).toEqual(['x']);
    });
  });

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
