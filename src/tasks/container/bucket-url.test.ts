import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allowance, parseBucketUrl, parseHostPattern, type BucketUrl } from './bucket-url.js';

const good = (text: string): BucketUrl => {
  const url = parseBucketUrl(text);
  if (typeof url === 'string') throw new Error(url);
  return url;
};

describe('the address of a bucket', () => {
  it.each([
    ['http://hostname:9000/bucket', 'hostname', 9000, 'bucket', '', 'http://hostname:9000/bucket'],
    ['https://S3.Example/out-bucket/', 's3.example', 443, 'out-bucket', '', 'https://s3.example/out-bucket/'],
    ['http://h/b1c/x/y', 'h', 80, 'b1c', 'x/y/', 'http://h/b1c/x/y'],
    ['http://h./b1c/a%20b/', 'h', 80, 'b1c', 'a b/', 'http://h./b1c/a%20b/'],
    ['http://[fd00::5]:9000/bucket', 'fd00::5', 9000, 'bucket', '', 'http://[fd00::5]:9000/bucket'],
    ['http://h/x/../bucket', 'h', 80, 'bucket', '', 'http://h/bucket'],
    ['http://0xa9.0376.43518/bucket', '169.254.169.254', 80, 'bucket', '', 'http://169.254.169.254/bucket'],
    ['http://2130706433/bucket', '127.0.0.1', 80, 'bucket', '', 'http://127.0.0.1/bucket'],
  ])('may be %s', (text, host, port, bucket, prefix, href) => {
    expect(good(text)).toMatchObject({ host, port, bucket, prefix, href });
  });

  it.each([
    ['', 'must be an address'],
    ['bucket', 'must be an address'],
    ['ftp://h/bucket', 'must be an address'],
    ['s3://bucket', 'must be an address'],
    ['file:///etc/passwd', 'must be an address'],
    ['http:/h/bucket', 'must be an address'],
    ['http:///bucket', 'must be an address'],
    ['http:\\\\h\\bucket', 'must be an address'],
    ['http://h\\@evil/bucket', 'must be an address'],
    ['http://h/buck et', 'must be an address'],
    ['http://h/\tbucket', 'must be an address'],
    [' http://h/bucket', 'must be an address'],
    ['http://h:99999/bucket', 'must be an address'],
    ['http://user:secret@h/bucket', 'no user and no password'],
    ['http://@h/bucket', 'no user and no password'],
    ['http://h/bucket?x=1', 'a query or fragment'],
    ['http://h/bucket?', 'a query or fragment'],
    ['http://h/bucket#', 'a query or fragment'],
    ['http://h:0/bucket', 'port 0'],
    ['http://h', 'must name a bucket'],
    ['http://h/', 'must name a bucket'],
    ['http://h//bucket', 'must name a bucket'],
    ['http://h/ab', 'must name a bucket'],
    ['http://h/Bucket', 'must name a bucket'],
    ['http://h/%62ucket', 'must name a bucket'],
    ['http://h/bucket/..', 'must name a bucket'],
    ['http://h/bucket/%2e%2e/', 'must name a bucket'],
    ['http://h/bucket/%ff', 'not encoded'],
    [`http://h/bucket/${'x'.repeat(2_048)}`, 'more than 2048 characters'],
  ])('cannot be %j', (text, why) => {
    const said = parseBucketUrl(text);
    expect(said).toEqual(expect.stringContaining(why));
    expect(said).not.toContain('secret');
  });

  it('means the same when it is read again', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('http://h', 'HTTPS://A.b:8', 'http://[::1]:0080', 'http://ü.x'),
        fc.string(),
        (base, tail) => {
          const url = parseBucketUrl(`${base}/bucket/${tail}`);
          if (typeof url !== 'string') expect(parseBucketUrl(url.href)).toEqual(url);
        },
      ),
    );
  });
});

describe('hosts of buckets', () => {
  const of = (url: string, ...patterns: string[]) =>
    allowance(
      good(url),
      patterns.map((text) => parseHostPattern(text)!),
    );

  it.each([
    ['http://minio:9000/bucket', 'minio'],
    ['http://minio:9000/bucket', 'MINIO:9000'],
    ['http://minio./bucket', 'minio'],
    ['https://s3.example/bucket', 's3.example:443'],
    ['http://[::1]:9000/bucket', '[::1]:9000'],
    ['http://[0:0::1]:9000/bucket', '[::1]'],
    ['http://127.1/bucket', '127.0.0.1'],
  ])('%s is named by %s', (url, pattern) => expect(of(url, pattern)).toBe('named'));

  it('below a domain are allowed, but not named', () => {
    expect(of('http://a.b.example:9/bucket', '*.example')).toBe('below');
    expect(of('http://a.example:9/bucket', '*.example:9')).toBe('below');
    expect(of('http://a.example/bucket', '*.example', 'a.example')).toBe('named');
  });

  it.each([
    ['http://minio:9001/bucket', 'minio:9000'],
    ['http://minio/bucket', 'minio:9000'],
    ['http://example/bucket', '*.example'],
    ['http://evilexample/bucket', '*.example'],
    ['http://minio.evil/bucket', 'minio'],
    ['http://a.example:8/bucket', '*.example:9'],
  ])('%s is not allowed by %s', (url, pattern) => expect(of(url, pattern)).toBeUndefined());

  it.each([
    '',
    '*',
    '*.',
    'http://h',
    'h/x',
    'u@h',
    'h:0',
    'h:99999',
    'h:x',
    'a b',
    '*.0.0.1',
    '*.*.example',
  ])('are not named by %j', (text) => expect(parseHostPattern(text)).toBeUndefined());
});
