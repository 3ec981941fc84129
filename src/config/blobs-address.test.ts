import { describe, expect, it } from 'vitest';
import { parseBlobsAddress } from './blobs-address.js';

describe('the address of the blobs', () => {
  it.each([
    ['s3://dray', { bucket: 'dray', prefix: '' }],
    ['s3://dray/', { bucket: 'dray', prefix: '' }],
    ['s3://my.dray-1/a/b', { bucket: 'my.dray-1', prefix: 'a/b/' }],
    ['s3://dray/a%20b/?region=eu-west-1', { bucket: 'dray', prefix: 'a b/', region: 'eu-west-1' }],
    [
      's3://dray?endpoint=http://minio:9000&public=https://s3.example/',
      { bucket: 'dray', prefix: '', endpoint: 'http://minio:9000', publicEndpoint: 'https://s3.example' },
    ],
  ])('may be a bucket: %s', (address, place) => {
    expect(parseBlobsAddress(address)).toEqual({ kind: 's3', ...place });
  });

  it('may be a folder', () => {
    expect(parseBlobsAddress('file:///mnt/a%20b')).toEqual({ kind: 'filesystem', folder: '/mnt/a b' });
  });

  it.each([
    ['dray', 'is not s3://bucket'],
    ['http://dray', 'is not s3://bucket'],
    ['s3://', 'has no bucket'],
    ['s3://X', 'has no bucket'],
    ['s3://dray?endpint=http://x', 'has "endpint", and knows endpoint, region, public'],
    ['s3://dray?endpoint=minio:9000', 'says "endpoint", but that is no address'],
    ['s3://dray?public=http://user:secret@x', 'says "public", but that is no address'],
    ['s3://key:secret@dray', 'has credentials in it'],
    ['file://host/folder', 'names no folder'],
    ['file:///', 'names no folder'],
  ])('is refused where it cannot be used, without what may be secret: %s', (address, message) => {
    expect(() => parseBlobsAddress(address)).toThrow(message);
    expect(() => parseBlobsAddress(address)).not.toThrow('secret@');
  });
});
