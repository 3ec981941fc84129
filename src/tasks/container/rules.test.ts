import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GiB } from '../../jobs/limits.js';
import { parseHostPattern } from './bucket-url.js';
import { parseImagePattern } from './image.js';
import type { ContainerInput } from './input.js';
import { admitContainer, containerEnv, type ContainerRules } from './rules.js';

const rules: ContainerRules = {
  images: [parseImagePattern('mstc/*')!],
  hosts: [parseHostPattern('minio:9000')!],
  env: ['*'],
  defaults: { cpus: 1, memory: GiB },
  caps: { cpus: 4, memory: 8 * GiB },
};
const input: ContainerInput = {
  image: 'mstc/python-test',
  inputBucketUrl: 'http://MINIO:9000/bucket',
};

describe('the rules of containers', () => {
  it('fill in what a job leaves out', () => {
    const job = admitContainer(input, rules);
    expect(job).toEqual({
      image: 'docker.io/mstc/python-test:latest',
      name: 'python-test',
      inputBucketUrl: 'http://minio:9000/bucket',
      outputBucketUrl: 'http://minio:9000/bucket',
      cpus: 1,
      memory: GiB,
    });
    expect(containerEnv(job)).toEqual({
      INPUT_BUCKET_URL: 'http://minio:9000/bucket',
      OUTPUT_BUCKET_URL: 'http://minio:9000/bucket',
    });
  });

  it('let pass unchanged what has passed', () => {
    const some = fc.record(
      {
        image: fc.constantFrom('mstc/x', 'docker.io/mstc/a/b:1', `mstc/y@sha256:${'0'.repeat(64)}`),
        name: fc.string(),
        inputBucketUrl: fc.constantFrom('http://minio:9000/abc', 'http://minio.:9000/abc/x/../y'),
        outputBucketUrl: fc.constant('https://minio:9000/out/'),
        env: fc.dictionary(fc.stringMatching(/^[A-Z_]\w{0,8}$/), fc.stringMatching(/^[^\0\r\n]{0,9}$/)),
        cpus: fc.double({ min: 0.01, max: 4, noNaN: true }),
        memory: fc.integer({ min: 6 * 1024 ** 2, max: 8 * GiB }),
      },
      { requiredKeys: ['image', 'inputBucketUrl'] },
    );
    fc.assert(
      fc.property(some, (given) => {
        const job = admitContainer(given, rules);
        expect(admitContainer(job, rules)).toEqual(job);
      }),
    );
  });

  it.each([
    [{ image: 'not an image' }, 'invalid-request', 'input.image', 'is no name of an image'],
    [{ image: 'python' }, 'image-not-allowed', 'input.image', 'docker.io/library/python:latest may not run'],
    [{ inputBucketUrl: 'http://evil/bucket' }, 'bucket-not-allowed', 'input.inputBucketUrl', 'evil:80'],
    [{ outputBucketUrl: 'http://minio:9001/bucket' }, 'bucket-not-allowed', 'input.outputBucketUrl', ':9001'],
    [{ outputBucketUrl: 'nowhere' }, 'invalid-request', 'input.outputBucketUrl', 'must be an address'],
    [{ cpus: 5 }, 'limit-exceeded', 'input.cpus', '5 cores are more than the 4 cores allowed'],
    [{ memory: 9 * GiB }, 'limit-exceeded', 'input.memory', 'allowed here'],
    [{ env: { INPUT_BUCKET_URL: 'x' } }, 'invalid-request', 'input.env.INPUT_BUCKET_URL', 'bucket'],
    [{ env: { '1X': 'x' } }, 'invalid-request', 'input.env.1X', 'digit'],
    [{ env: { 'A=B': 'x' } }, 'invalid-request', 'input.env.A=B', 'A-Z'],
    [{ env: { A: 'x\nOUTPUT_BUCKET_URL=y' } }, 'invalid-request', 'input.env.A', 'line break'],
    [{ env: { A: 'x'.repeat(8_192) } }, 'invalid-request', 'input.env', '8194 bytes'],
    [
      { env: Object.fromEntries(Array.from({ length: 65 }, (_, at) => [`V${at}`, ''])) },
      'invalid-request',
      'input.env',
      '65 variables',
    ],
  ])('refuse %o', (wrong, code, field, message) => {
    const given = { ...input, ...wrong };
    expect(() => admitContainer(given, rules)).toThrow(
      expect.objectContaining({ code, field, message: expect.stringContaining(message) as string }) as Error,
    );
  });

  it('take the variables that they name, whole or by how they begin, and no others', () => {
    const some = { ...rules, env: ['MODE', 'JOB_*'] };
    const setting = (name: string) => () => admitContainer({ ...input, env: { [name]: 'x' } }, some);
    for (const name of ['MODE', 'JOB_', 'JOB_A']) expect(setting(name)().env).toEqual({ [name]: 'x' });
    for (const name of [
      'BASH_ENV',
      'NODE_OPTIONS',
      'LD_PRELOAD',
      'http_proxy',
      'MODEL',
      'mode',
      'JOB',
      'A_JOB_B',
    ]) {
      expect(setting(name), name).toThrow(
        expect.objectContaining({
          code: 'variable-not-allowed',
          field: `input.env.${name}`,
          message: expect.stringContaining('none of those allowed here (--container-env)') as string,
        }) as Error,
      );
    }
  });

  it('refuse everything while they name nothing, and say which option would', () => {
    const closed = { ...rules, images: [], hosts: [], env: [] };
    const variable = { ...input, env: { A: 'x' } };
    expect(() => admitContainer(variable, { ...rules, env: [] })).toThrow(
      /this server allows none \(--container-env\)/,
    );
    expect(() => admitContainer(input, closed)).toThrow(/this server allows none \(--container-images\)/);
    expect(() => admitContainer(input, { ...closed, images: rules.images })).toThrow(
      /this server allows none \(--bucket-hosts\)/,
    );
  });
});
