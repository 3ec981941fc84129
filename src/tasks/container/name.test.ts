import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { containerName } from './name.js';

const jobId = '0198c2b4-0000-7000-8000-000000000001';

describe('the name of a container', () => {
  it.each([
    ['test-job', 'test-job'],
    ['Größe ☺ 42', 'gro-e-42'],
    ['--rm --privileged--', 'rm-privileged'],
    ['', 'job'],
    ['☺', 'job'],
    ['a'.repeat(25) + '-b', 'a'.repeat(25)],
    ['x'.repeat(500), 'x'.repeat(26)],
  ])('of %j begins with %j', (name, slug) => {
    expect(containerName(name, jobId)).toBe(`${slug}-${jobId}`);
  });

  it('is a label of DNS, whatever the client says', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(0xffff), { maxLength: 100 }), (codes) => {
        const made = containerName(String.fromCharCode(...codes), jobId);
        expect(made).toMatch(/^[a-z0-9][-a-z0-9]*$/);
        expect(made.length).toBeLessThanOrEqual(63);
        expect(made.endsWith(`-${jobId}`)).toBe(true);
      }),
    );
  });
});
