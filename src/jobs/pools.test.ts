import { describe, expect, it } from 'vitest';
import { flawOfPools, scalingTypes, typesOfPool } from './pools.js';

const pools = [
  { name: 'default', types: [] },
  { name: 'gpu', types: ['score', 'train'] },
  { name: 'boxes', types: ['container'] },
];
const all = ['matmul', 'score', 'train', 'container', 'watch'];

describe('a pool', () => {
  it('serves the types that it names', () => {
    expect(typesOfPool('gpu', pools, all)).toEqual(['score', 'train']);
    expect(typesOfPool('boxes', pools, ['matmul'])).toEqual([]);
  });

  it('serves what no other pool names where it is the default one', () => {
    expect(typesOfPool('default', pools, all)).toEqual(['matmul', 'watch']);
    expect(typesOfPool('default', [], all)).toEqual(all);
  });

  it('is scaled by what executors run of its types', () => {
    const executed = ['matmul', 'score'];
    expect(scalingTypes('default', pools, executed)).toEqual(['matmul']);
    expect(scalingTypes('gpu', pools, executed)).toEqual(['score']);
  });

  it('is scaled by all that it names where executors run none of it', () => {
    expect(scalingTypes('boxes', pools, ['matmul', 'score'])).toEqual(['container']);
    expect(scalingTypes('default', pools, ['score'])).toEqual([]);
  });
});

describe('pools together', () => {
  it('may be any whose types differ', () => {
    expect(flawOfPools(pools)).toBeUndefined();
    expect(flawOfPools([])).toBeUndefined();
  });

  it.each([
    [[pools[1]!, { name: 'cpu', types: ['score'] }], 'pool "cpu", "types": "score" belongs to pool "gpu"'],
    [[{ name: 'gpu', types: ['a', 'a'] }], 'pool "gpu", "types": "a" is there twice'],
    [[pools[1]!, { name: 'gpu', types: ['a'] }], 'there are two pools "gpu"'],
    [[{ name: 'default', types: ['a'] }], 'pool "default", "types": it has those that no other pool names'],
    [[{ name: 'gpu', types: [] }], 'pool "gpu", "types": it must name'],
  ])('name the pool that is wrong: %j', (wrong, message) => {
    expect(flawOfPools(wrong)).toContain(message);
  });
});
