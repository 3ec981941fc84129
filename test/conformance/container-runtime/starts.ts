/** What a container gets, and under which name it runs. */
import { describe, expect, test } from 'vitest';
import type { Harbour } from './harbour.js';

export function starts(harbour: Harbour): void {
  describe('starting', () => {
    test('gives the container its variables to the last character', async () => {
      const env = {
        PLAIN: 'http://localhost:9000/bucket?a=b&c=d',
        REFERENCE: '$(PLAIN) $$(PLAIN) $PLAIN ${PLAIN} `id`',
        QUOTES: `"double" 'single' \\ back`,
        LINES: 'first\nsecond\n\nlast = #no comment',
        UMLAUT: 'größer als ∞',
        BLANKS: '  around  ',
        EMPTY: '',
      };
      const script = Object.keys(env)
        .map((name) => `printf '%s|' "$${name}"`)
        .join('; ');
      const { spec, end } = await harbour.run(script, { env });
      expect((await harbour.printed(spec.jobId)).toString()).toBe(Object.values(env).join('|') + '|');
      expect(await end).toMatchObject({ reason: 'exited', exitCode: 0 });
    });

    test('tells the states on the way, the first one too', async () => {
      const { states, end, running } = await harbour.run('sleep 3');
      await running;
      await end;
      expect(states.at(-1)).toBe('running');
      expect(states.filter((state) => state === 'running')).toHaveLength(1);
    });

    test.for([
      ['umlauts and a smile', 'Größe ☺ 中文'],
      ['nothing', ''],
      ['dashes at both ends', '--rm --privileged--'],
      ['500 letters', 'x'.repeat(500)],
      ['dots, slashes and lines', '../..\n/etc/passwd\0; rm'],
      ['capitals and underscores', 'MY_Test_Job'],
    ])('makes a good name of one that has %s', async ([, name]) => {
      const voyage = await harbour.run('exit 0', { name: name! });
      expect(await voyage.end).toMatchObject({ reason: 'exited', exitCode: 0 });
      expect(voyage.name).toMatch(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/);
      expect(voyage.name.length).toBeLessThanOrEqual(63);
      expect(voyage.name.endsWith(voyage.spec.jobId)).toBe(true);
    });

    test('keeps what is readable of the name', async () => {
      const { name, spec } = await harbour.run('exit 0', { name: 'test-job' });
      expect(name).toBe(`test-job-${spec.jobId}`);
    });

    test('refuses a name that no image can have, or ends with it', async () => {
      for (const image of ['Capitals/Are/Wrong:tag', 'a b', '-v']) {
        const spec = harbour.spec('exit 0', { image });
        const outcome = await harbour.start(spec).then(
          () => harbour.watch(spec.jobId).end,
          (error: unknown) => error,
        );
        if (outcome instanceof Error) expect(outcome).toMatchObject({ name: 'PermanentError' });
        else expect(outcome, image).toMatchObject({ reason: 'image' });
      }
    });

    test('runs twenty at once', async () => {
      const voyages = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          harbour.run(`echo "I am $NUMBER"; exit "$NUMBER"`, {
            env: { NUMBER: String(index) },
            cpus: 0.05,
            memory: 16 * 1024 * 1024,
          }),
        ),
      );
      const printed = await Promise.all(voyages.map(({ spec }) => harbour.printed(spec.jobId)));
      expect(printed.map(String)).toEqual(voyages.map((_, index) => `I am ${index}\n`));
      const ends = await Promise.all(voyages.map(({ end }) => end));
      expect(ends.map(({ exitCode }) => exitCode)).toEqual(voyages.map((_, index) => index));
    });
  });
}
