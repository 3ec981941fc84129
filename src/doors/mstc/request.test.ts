import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DrayError } from '../../jobs/errors.js';
import { inMstcWords, jobFrom, readMembers } from './request.js';

const literal = {
  image: 'mstc/python-test:latest',
  jobName: 'test-job',
  inputBucketUrl: 'http://hostname:9000/bucket',
};
const read = async (text: string) => jobFrom(await readMembers([Buffer.from(text)]));
const given = (rest: object) => read(JSON.stringify({ ...literal, ...rest }));

describe('a request of the MSTC clients', () => {
  it('is a container job', async () => {
    expect(await given({})).toEqual({
      type: 'container',
      input: {
        image: 'mstc/python-test:latest',
        name: 'test-job',
        timeoutSeconds: 900,
        inputBucketUrl: 'http://hostname:9000/bucket',
      },
    });
    const outputBucketUrl = 'http://hostname:9000/out-bucket';
    expect(await given({ timeOut: 5, outputBucketUrl })).toMatchObject({
      input: { timeoutSeconds: 300, outputBucketUrl },
    });
  });

  it.each<[minutes: unknown, seconds: number]>([
    [0, 900],
    [null, 900],
    [0.5, 30],
    [1.1, 66],
    [0.001, 1],
    [10_000, 600_000],
  ])('gives a timeOut of %s min %s s', async (timeOut, seconds) => {
    expect(await given({ timeOut })).toMatchObject({ input: { timeoutSeconds: seconds } });
  });

  it('passes over what it does not know, and takes null and empty texts for what is not there', async () => {
    const lenient = { retries: 3, outputBucketUrl: '', callback: { deep: [1] } };
    expect(await given(lenient)).toEqual(await given({ outputBucketUrl: null }));
  });

  it.each<[title: string, rest: object, message: RegExp]>([
    ['no image', { image: undefined }, /^image: missing/],
    ['an image of null', { image: null }, /^image: missing/],
    ['an image that is no text', { image: 7 }, /^image: must be a text/],
    ['a blank jobName', { jobName: '  ' }, /^jobName: must be a text/],
    ['a jobName that is too long', { jobName: 'x'.repeat(257) }, /^jobName: has 257 characters/],
    ['no inputBucketUrl', { inputBucketUrl: undefined }, /^inputBucketUrl: missing/],
    ['an outputBucketUrl that is no text', { outputBucketUrl: [] }, /^outputBucketUrl: must be a text/],
    ['a timeOut that is no number', { timeOut: '5' }, /^timeOut: must be a number/],
    ['a timeOut below 0', { timeOut: -1 }, /^timeOut: must be a number/],
    ['a timeOut that is too long', { timeOut: 10_001 }, /^timeOut: at most 10000 minutes/],
  ])('is refused with %s, by the name of the member', async (_title, rest, message) => {
    const refused = await given(rest).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(DrayError);
    const { message: said, field, status } = refused as DrayError;
    expect(said).toMatch(message);
    expect(said.startsWith(`${field!}:`)).toBe(true);
    expect(status).toBe(400);
  });

  it.each(['', '{', 'null', '[]', '"text"', '\u0000', '{"image": "a",}'])(
    'is refused where it is no JSON object: %j',
    async (text) => {
      await expect(read(text)).rejects.toMatchObject({ status: 400 });
    },
  );

  it('is refused above 1 MiB, and where it is not UTF-8', async () => {
    await expect(given({ more: 'x'.repeat(1_048_576) })).rejects.toMatchObject({ code: 'body-too-large' });
    const latin = Buffer.concat([Buffer.from('{"image": "'), Buffer.of(0xe4), Buffer.from('"}')]);
    await expect(readMembers([latin])).rejects.toMatchObject({ code: 'invalid-json' });
  });

  it('gives a job or a refusal of the catalogue, whatever comes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.json(), fc.string()), async (text) => {
        const outcome = await read(text).catch((error: unknown) => error);
        if (outcome instanceof Error) expect(outcome).toMatchObject({ status: 400, permanent: true });
      }),
    );
  });
});

describe('an error of the admission', () => {
  it('is told in words of the MSTC clients', () => {
    const words = (code: 'invalid-request' | 'unknown-type', message: string, field: string) =>
      inMstcWords(new DrayError(code, message, { field }));
    expect(words('invalid-request', 'input.name: is too long', 'input.name')).toEqual({
      message: 'jobName: is too long',
      field: 'jobName',
    });
    expect(words('invalid-request', 'input.image: x may not run', 'input.image')).toEqual({
      message: 'image: x may not run',
      field: 'image',
    });
    expect(words('unknown-type', 'no task runs jobs of type "container"', 'type').message).toContain(
      '--containers',
    );
  });
});
