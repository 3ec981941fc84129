import fc from 'fast-check';
import { expect, test } from 'vitest';
import { containerName } from './name.js';

const jobId = '0198c2b4-0000-7000-8000-000000000000';

test('a container has a name that is a label of DNS, whatever the client says', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 100 }), (name) => {
      const made = containerName(name, jobId);
      expect(made).toMatch(/^[a-z0-9][-a-z0-9]*$/);
      expect(made.length).toBeLessThanOrEqual(63);
      expect(made.endsWith(`-${jobId}`)).toBe(true);
    }),
  );
});

test('a container keeps what is readable of its name', () => {
  expect(containerName('Größe der__Welle (2)', jobId)).toBe(`gro-e-der-welle-2-${jobId}`);
  expect(containerName('--', jobId)).toBe(`job-${jobId}`);
  expect(containerName('a'.repeat(25) + '/b', jobId)).toBe(`${'a'.repeat(25)}-${jobId}`);
});
