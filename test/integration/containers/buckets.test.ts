/** The files of a bucket, on a real S3 server; and what a server that is none may do. */
import { PutBucketPolicyCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/clock.js';
import { parseBucketUrl, type BucketUrl } from '../../../src/tasks/container/bucket-url.js';
import { S3Buckets, type BucketCredentials } from '../../../src/tasks/container/bucket.js';
import { s3Bucket } from '../../support/services.js';

const s3 = await s3Bucket();
const loopback = [{ address: '127.0.0.1', family: 4 }];
const signal = new AbortController().signal;

const bucketOf = (text: string): BucketUrl => {
  const url = parseBucketUrl(text);
  if (typeof url === 'string') throw new Error(url);
  return url;
};

/** The bucket by a name that no resolver knows, at the server's address. */
function setup(options: { mostFiles?: number; anonymous?: boolean } = {}) {
  const { endpoint, bucket, accessKey, secretKey } = s3!;
  const { port } = new URL(endpoint);
  const url = (prefix = '') => bucketOf(`http://bucket-host.invalid:${port}/${bucket}/${prefix}`);
  const credentials = new Map<string, BucketCredentials>(
    options.anonymous ? [] : [[`bucket-host.invalid:${port}`, { accessKey, secretKey }]],
  );
  const buckets = new S3Buckets({
    credentials,
    clock: systemClock,
    ...(options.mostFiles !== undefined && { mostFiles: options.mostFiles }),
  });
  const list = (prefix?: string) => buckets.list({ bucket: url(prefix), addresses: loopback, signal });
  return { buckets, list, url };
}

describe.skipIf(s3 === undefined)('the files of a bucket', () => {
  const connect = (): S3Client => {
    const { endpoint, accessKey: accessKeyId, secretKey: secretAccessKey } = s3!;
    const credentials = { accessKeyId, secretAccessKey };
    return new S3Client({ endpoint, forcePathStyle: true, region: 'us-east-1', credentials });
  };
  const put = async (...keys: string[]): Promise<void> => {
    const { bucket: Bucket } = s3!;
    const client = connect();
    for (let at = 0; at < keys.length; at += 50) {
      await Promise.all(
        keys.slice(at, at + 50).map((Key) => client.send(new PutObjectCommand({ Bucket, Key, Body: Key }))),
      );
    }
    client.destroy();
  };

  it('are listed with their sizes, whole or below a prefix', async () => {
    await put('a b/ü.txt', 'out/1.txt', 'out/2.txt', 'outer.txt');
    const { list } = setup();
    const all = await list();
    expect(all).toEqual({
      files: [
        { key: 'a b/ü.txt', size: 10 },
        { key: 'out/1.txt', size: 9 },
        { key: 'out/2.txt', size: 9 },
        { key: 'outer.txt', size: 9 },
      ],
      truncated: false,
    });
    expect((await list('out')).files.map(({ key }) => key)).toEqual(['out/1.txt', 'out/2.txt']);
    expect((await list('none')).files).toEqual([]);
  });

  it('are listed over several pages, up to a bound', async () => {
    const keys = Array.from({ length: 1_203 }, (_, at) => `many/${String(at).padStart(4, '0')}`);
    await put(...keys);
    const whole = await setup().list('many');
    expect(whole).toMatchObject({ truncated: false });
    expect(whole.files.map(({ key }) => key)).toEqual(keys);
    expect(await setup({ mostFiles: 1_203 }).list('many')).toMatchObject({ truncated: false });
    const some = await setup({ mostFiles: 1_202 }).list('many');
    expect(some).toMatchObject({ truncated: true });
    expect(some.files).toEqual(whole.files.slice(0, 1_202));
  });

  it('are asked for without credentials where none are given for the host', async () => {
    await expect(setup({ anonymous: true }).list()).rejects.toThrow(
      /could not be listed: the server does not let Dray list it \(--bucket-credentials\)/,
    );
    const client = connect();
    const Resource = `arn:aws:s3:::${s3!.bucket}`;
    const Statement = [{ Effect: 'Allow', Principal: '*', Action: 's3:ListBucket', Resource }];
    const Policy = JSON.stringify({ Version: '2012-10-17', Statement });
    await client.send(new PutBucketPolicyCommand({ Bucket: s3!.bucket, Policy }));
    client.destroy();
    expect((await setup({ anonymous: true }).list('out')).files).toHaveLength(2);
  });

  it('cannot be listed of a bucket that is not there', async () => {
    const { buckets, url } = setup();
    const bucket = { ...url(), bucket: 'no-such-bucket' };
    await expect(buckets.list({ bucket, addresses: loopback, signal })).rejects.toThrow(
      /bucket "no-such-bucket" at bucket-host.invalid:\d+ could not be listed: there is no such bucket/,
    );
  });
});

describe('a server that is no S3', () => {
  const list = async (handler: RequestListener, abort = signal): Promise<unknown> => {
    const seen: string[] = [];
    const server = createServer((request, response) => {
      seen.push(request.url ?? '');
      handler(request, response);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const buckets = new S3Buckets({ credentials: new Map(), clock: systemClock });
    const bucket = bucketOf(`http://bucket-host.invalid:${port}/bucket`);
    const outcome = await buckets
      .list({ bucket, addresses: loopback, signal: abort })
      .catch((error: unknown) => error);
    server.closeAllConnections();
    server.close();
    expect(seen).toHaveLength(1);
    return outcome;
  };

  it('is not followed elsewhere', async () => {
    const error = await list((_request, response) => {
      response.writeHead(302, { location: 'http://169.254.169.254/latest' }).end();
    });
    expect(error).toMatchObject({
      message: expect.stringMatching(/^bucket "bucket" at .* could not be/) as string,
    });
  });

  it('is not read without end', async () => {
    const error = await list((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/xml' });
      const more = (): void => {
        while (response.write(Buffer.alloc(65_536, ' ')));
        response.once('drain', more);
      };
      more();
    });
    expect(error).toMatchObject({ message: expect.stringMatching(/larger than 8388608 bytes/) as string });
    expect(error).not.toHaveProperty('code');
  });

  it.each<[what: string, handler: RequestListener]>([
    ['breaks', (request) => request.socket.destroy()],
    ['is busy', (_request, response) => response.writeHead(503).end()],
  ])('may be asked again where it %s', async (_what, handler) => {
    expect(await list(handler)).toMatchObject({ code: 'unavailable' });
  });

  it('is left when the attempt is stopped', async () => {
    const stop = new AbortController();
    const reason = new Error('stopped');
    const error = await list(() => stop.abort(reason), stop.signal);
    expect(error).toBe(reason);
  });

  it('is said to answer nonsense where it does', async () => {
    const error = await list((_request, response) => response.end('<html><body>hello</body>'));
    expect(error).toMatchObject({ message: expect.stringMatching(/could not be listed/) as string });
    expect(error).not.toHaveProperty('code');
  });
});
