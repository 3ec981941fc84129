import { describe, expect, test } from 'vitest';
import type { NewJob } from '../../../src/engine/engine.js';
import { Bench, boom, idsOf, type EngineFactory } from './setup.js';

export function once(factory: EngineFactory): void {
  describe('submits that may be repeated', () => {
    const bench = new Bench(factory);

    const submit = async (key: string, jobs: readonly NewJob[], fingerprint = 'same') => {
      const answer = await bench.engine.submit({ jobs, once: { key, fingerprint } });
      return 'jobs' in answer ? answer : { kind: answer.kind, jobs: [] };
    };
    const newKey = (): string => bench.clock.token();

    test('store the first and answer the others with its job as it is now', async () => {
      const [key, first, again] = [newKey(), bench.newJob(), bench.newJob()];
      const stored = await submit(key, [first]);
      expect(stored).toEqual({ kind: 'stored', jobs: [await bench.job(first.id)] });
      const [lease] = await bench.claim({ types: [first.type] });
      await bench.engine.complete({ id: first.id, token: lease!.token, result: { inline: 'done' } });
      expect(await submit(key, [again])).toEqual({ kind: 'repeated', jobs: [await bench.job(first.id)] });
      expect(await bench.job(first.id)).toMatchObject({ status: 'completed', result: { inline: 'done' } });
      expect(await bench.engine.get({ id: again.id })).toBeUndefined();
      expect((await bench.engine.list({ type: again.type, limit: 10 })).jobs).toEqual([]);
    });

    test('refuse another fingerprint, and store nothing of it', async () => {
      const [key, first, other] = [newKey(), bench.newJob(), bench.newJob()];
      await submit(key, [first], 'a');
      expect((await submit(key, [other], 'b')).kind).toBe('conflict');
      expect(await bench.engine.get({ id: other.id })).toBeUndefined();
      expect(await submit(key, [other], 'a')).toMatchObject({ kind: 'repeated', jobs: [{ id: first.id }] });
    });

    test('tell keys apart', async () => {
      const [one, two] = [bench.newJob(), bench.newJob()];
      expect((await submit(newKey(), [one])).kind).toBe('stored');
      expect((await submit(newKey(), [two])).kind).toBe('stored');
      expect((await bench.job(two.id)).status).toBe('pending');
    });

    test('give all jobs of a batch again, in their order', async () => {
      const [key, type] = [newKey(), bench.newType()];
      const batch = (): NewJob[] => Array.from({ length: 20 }, () => bench.newJob({ type }));
      const first = await submit(key, batch());
      await bench.engine.cancel({ id: first.jobs[3]!.id });
      const again = await submit(key, batch());
      expect(again.kind).toBe('repeated');
      expect(idsOf(again.jobs)).toEqual(idsOf(first.jobs));
      expect(again.jobs[3]!.status).toBe('cancelled');
      expect(await bench.counts(type)).toMatchObject({ totals: { submitted: 20 } });
    });

    test('store one where several come at the same moment', async () => {
      const [key, type] = [newKey(), bench.newType()];
      const answers = await Promise.all(
        Array.from({ length: 10 }, () => submit(key, [bench.newJob({ type })])),
      );
      expect(answers.map(({ kind }) => kind).toSorted()).toEqual([
        ...Array.from({ length: 9 }, () => 'repeated'),
        'stored',
      ]);
      expect(new Set(answers.flatMap(({ jobs }) => idsOf(jobs))).size).toBe(1);
      expect(await bench.counts(type)).toMatchObject({ jobs: { pending: 1 } });
    });

    test('change nothing about a key of the jobs when they are repeated', async () => {
      const [key, type] = [newKey(), bench.newType()];
      const [first, second] = [1, 2].map(() => bench.newJob({ type, key: { name: 'k', places: 1 } }));
      const stored = await submit(key, [first!, second!]);
      expect(stored.jobs.map(({ held }) => held)).toEqual([false, true]);
      const more = bench.newJob({ type, key: { name: 'k', places: 2 } });
      expect((await submit(key, [more])).jobs.map(({ held }) => held)).toEqual([false, true]);
      expect(idsOf(await bench.claimNow({ types: [type], max: 5 }))).toEqual([first!.id]);
    });

    test('store nothing new where only what is known is asked for', async () => {
      const [key, type] = [newKey(), bench.newType()];
      const ask = (fingerprint: string) =>
        bench.engine.submit({
          jobs: [bench.newJob({ type })],
          once: { key, fingerprint, onlyKnown: true },
        });
      expect(await ask('f')).toEqual({ kind: 'unknown' });
      const job = bench.newJob({ type });
      expect((await bench.engine.submit({ jobs: [job], once: { key, fingerprint: 'f' } })).kind).toBe(
        'stored',
      );
      expect(await ask('f')).toMatchObject({ kind: 'repeated', jobs: [{ id: job.id }] });
      expect(await ask('another')).toEqual({ kind: 'conflict' });
      expect(await bench.counts(type)).toMatchObject({ jobs: { pending: 1 } });
    });

    test('forget a submit that was refused', async () => {
      const known = await bench.submit();
      const [key, type] = [newKey(), bench.newType()];
      await expect(
        submit(key, [bench.newJob({ type }), bench.newJob({ type, id: known.id })]),
      ).rejects.toThrow();
      const job = bench.newJob({ type });
      expect(await submit(key, [job], 'another')).toMatchObject({ kind: 'stored', jobs: [{ id: job.id }] });
    });

    test('outlive the engine where its store does', () =>
      Bench.alone(factory, async (bench) => {
        const job = bench.newJob();
        const submit = (fingerprint: string) =>
          bench.engine.submit({ jobs: [{ ...job }], once: { key: 'k', fingerprint } });
        expect((await submit('a')).kind).toBe('stored');
        await bench.reopen();
        expect(await submit('a')).toMatchObject({ kind: 'repeated', jobs: [{ id: job.id }] });
        expect(await submit('b')).toEqual({ kind: 'conflict' });
      }));

    test('are remembered until they are older than what is kept', () =>
      Bench.alone(factory, async (bench) => {
        const submit = (key: string) =>
          bench.engine.submit({ jobs: [bench.newJob()], once: { key, fingerprint: 'f' } });
        await submit('old');
        bench.clock.advance(1_000);
        await submit('new');
        const prune = (before: number) => bench.engine.prune({ before, keep: Infinity, limit: 100 });
        await prune(bench.clock.now() - 1_000);
        expect((await submit('old')).kind).toBe('repeated');
        await prune(bench.clock.now());
        expect((await submit('new')).kind).toBe('repeated');
        expect((await submit('old')).kind).toBe('stored');
      }));

    test('are all forgotten in the end, however small the steps', () =>
      Bench.alone(factory, async (bench) => {
        const keys = Array.from({ length: 7 }, (_, index) => `key-${index}`);
        const submit = (key: string) =>
          bench.engine.submit({ jobs: [bench.newJob()], once: { key, fingerprint: 'f' } });
        for (const key of keys) await submit(key);
        bench.clock.advance(1);
        const before = bench.clock.now();
        for (let more = true, pass = 0; more && pass < 20; pass++) {
          ({ more } = await bench.engine.prune({ before, keep: Infinity, limit: 2 }));
        }
        const kinds = await Promise.all(keys.map(async (key) => (await submit(key)).kind));
        expect(new Set(kinds)).toEqual(new Set(['stored']));
      }));

    test('miss the jobs that were removed since', () =>
      Bench.alone(factory, async (bench) => {
        const jobs = [bench.newJob(), bench.newJob()];
        const submit = () => bench.engine.submit({ jobs, once: { key: 'k', fingerprint: 'f' } });
        await submit();
        const [lease] = await bench.claim({ types: [jobs[0]!.type] });
        await bench.engine.fail({ id: lease!.job.id, token: lease!.token, error: boom });
        await bench.engine.prune({ before: 0, keep: 0, limit: 10 });
        expect(await submit()).toMatchObject({ kind: 'repeated', jobs: [{ id: jobs[1]!.id }] });
      }));
  });
}
