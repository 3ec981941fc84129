import { describe, expect, it } from 'vitest';
import type { Worker } from '../contract/worker.js';
import { viewOfPool } from './pool-view.js';

const worker = (process: string, more: Partial<Worker>): Worker => ({
  id: process,
  process,
  pid: 1,
  host: 'here',
  pool: 'default',
  types: ['matmul'],
  slots: 2,
  busy: 0,
  executors: [],
  ...more,
});
const inline = (process: string, more: Partial<Worker>): Worker =>
  worker(process, { id: `${process}:inline`, types: ['watch'], slots: 100, ...more });

describe('the view of a pool', () => {
  const types = new Set(['matmul']);
  const slotsPerWorker = undefined;

  it('is what its processes have for the types by which it is scaled', () => {
    const workers = [
      worker('a', { busy: 1 }),
      inline('a', { busy: 7 }),
      worker('b', { slots: 4 }),
      inline('b', { busy: 3 }),
    ];
    expect(viewOfPool(workers, { pool: 'default', types, slotsPerWorker })).toEqual({
      current: 2,
      busy: 1,
      slotsPerWorker: 3,
    });
  });

  it('leaves out the workers of other pools, whatever they serve', () => {
    const workers = [worker('a', {}), worker('b', { pool: 'gpu', busy: 2 })];
    expect(viewOfPool(workers, { pool: 'default', types, slotsPerWorker })).toMatchObject({
      current: 1,
      busy: 0,
    });
  });

  it('leaves out what stops, however busy it still is', () => {
    const workers = [worker('a', { busy: 1 }), worker('b', { slots: 8, busy: 2, stopping: true })];
    expect(viewOfPool(workers, { pool: 'default', types, slotsPerWorker })).toEqual({
      current: 1,
      busy: 1,
      slotsPerWorker: 2,
    });
  });

  it('counts a process once, though several of its workers serve the pool', () => {
    const both = new Set(['watch', 'container']);
    const workers = ['a', 'b'].flatMap((process) => [
      inline(process, { pool: 'boxes', slots: 10, busy: 1 }),
      inline(process, {
        pool: 'boxes',
        id: `${process}:container`,
        types: ['container'],
        slots: 50,
        busy: 2,
      }),
    ]);
    expect(viewOfPool(workers, { pool: 'boxes', types: both, slotsPerWorker })).toEqual({
      current: 2,
      busy: 2,
      slotsPerWorker: 60,
    });
  });

  it('reckons by the slots that were set, and by one where there is no worker to go by', () => {
    expect(viewOfPool([worker('a', {})], { pool: 'default', types, slotsPerWorker: 8 })).toMatchObject({
      slotsPerWorker: 8,
    });
    expect(viewOfPool([], { pool: 'default', types, slotsPerWorker })).toEqual({
      current: 0,
      busy: 0,
      slotsPerWorker: 1,
    });
  });
});
