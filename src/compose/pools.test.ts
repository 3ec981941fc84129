import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Type } from 'typebox';
import { describe, expect, it, onTestFinished } from 'vitest';
import { readDeploymentConfig, type DeploymentConfig } from '../config/read-config.js';
import { TaskRegistry } from '../tasks/registry.js';
import { defineTask } from '../tasks/task.js';
import { checkTypes, readPools, readScaledPools, servedTypes } from './pools.js';

const servers = { queue: 'amqp://host', state: 'redis://host', blobs: 's3://bucket' };
const controller = (flags: Record<string, unknown>): DeploymentConfig =>
  readDeploymentConfig('controller', { ...servers, ...flags }, {});
const worker = (flags: Record<string, unknown>): DeploymentConfig =>
  readDeploymentConfig('worker', { ...servers, ...flags }, {});
const gpu = { name: 'gpu', types: ['score'] };
const pools = (...all: readonly object[]): string => JSON.stringify(all);

describe('the pools of the options', () => {
  it('are one for all types where none are named', () => {
    expect(readScaledPools(controller({ utilisation: '70%', maxWorkers: '3' }))).toEqual([
      {
        name: 'default',
        types: [],
        slotsPerWorker: undefined,
        policy: { min: 1, max: 3, drainTarget: 60, slo: 300, utilisation: 0.7 },
      },
    ]);
  });

  it('have the numbers of the flat options where they have none of their own', () => {
    const own = {
      minWorkers: 0,
      maxWorkers: '5',
      slotsPerWorker: 4,
      drainTarget: '2m',
      slo: 9,
      utilisation: 0.5,
    };
    const given = pools({ ...gpu, ...own }, { name: 'cpu', types: ['matmul'] });
    const [first, second, third] = readScaledPools(controller({ pools: given, slo: '1m' }));
    expect(first).toMatchObject({ name: 'default', types: [], policy: { slo: 60 } });
    expect(second).toEqual({
      ...gpu,
      slotsPerWorker: 4,
      policy: { min: 0, max: 5, drainTarget: 120, slo: 9, utilisation: 0.5 },
    });
    expect(third).toMatchObject({ name: 'cpu', policy: { min: 1, max: 10, slo: 60 } });
    expect(third!.slotsPerWorker).toBeUndefined();
  });

  it('may give the default pool numbers, and it comes first', () => {
    const given = pools(gpu, { name: 'default', types: [], maxWorkers: 2 });
    const all = readScaledPools(controller({ pools: given }));
    expect(all.map(({ name, policy }) => [name, policy.max])).toEqual([
      ['default', 2],
      ['gpu', 10],
    ]);
  });

  it('may lie in a file, or in the file of options', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'dray-pools-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const [file, config] = [join(folder, 'pools.json'), join(folder, 'dray.json')];
    await writeFile(file, `\uFEFF${pools(gpu)}\n`);
    await writeFile(config, JSON.stringify({ pools: [gpu] }));
    const named = [{ name: 'default', types: [] }, gpu];
    expect(readPools(controller({ pools: file }))).toEqual(named);
    expect(readPools(controller({ config }))).toEqual(named);
    await writeFile(file, '[{');
    expect(() => readPools(controller({ pools: file }))).toThrow(
      `--pools (DRAY_POOLS): ${file} is not JSON: `,
    );
  });

  it.each([
    ['[{]', '--pools (DRAY_POOLS): it is not JSON: '],
    ['{"name": "gpu"}', 'it is a list of pools, such as [{'],
    ['no-such-file.json', 'neither a JSON list nor a file that can be read: no-such-file.json (ENOENT)'],
    [pools({ ...gpu, slow: 1 }), 'pool "gpu", "slow": is not known'],
    [pools(gpu, { types: ['a'] }), 'pool number 2: must have required properties name'],
    [pools({ ...gpu, name: 'My Pool' }), 'pool "My Pool", "name": '],
    [pools({ ...gpu, types: 'score' }), 'pool "gpu", "types": must be array'],
    [pools({ ...gpu, slo: null }), 'pool "gpu", "slo": '],
    [pools({ ...gpu, slo: 'soon' }), 'pool "gpu", "slo": "soon" is not a time from 0.1 to 86400 seconds'],
    [pools({ ...gpu, utilisation: 1.5 }), 'pool "gpu", "utilisation": "1.5" is not a share from 0.01 to 1'],
    [pools({ ...gpu, minWorkers: 2.5 }), 'pool "gpu", "minWorkers": "2.5" is not a whole number'],
    [pools({ ...gpu, minWorkers: 11 }), 'pool "gpu": minWorkers (11) is above maxWorkers (10)'],
    [pools(gpu, { ...gpu, name: 'cpu' }), 'pool "cpu", "types": "score" belongs to pool "gpu"'],
    [pools({ name: 'default', types: ['a'] }), 'pool "default", "types": '],
    [pools({ name: 'gpu' }), 'pool "gpu", "types": it must name'],
  ])('name the pool and the key that is wrong: %s', (text, message) => {
    expect(() => readScaledPools(controller({ pools: text }))).toThrow(message);
  });
});

describe('a worker of a pool', () => {
  const task = (type: string) => defineTask({ type, input: Type.Any(), output: Type.Any(), run: () => 1 });
  const tasks = new TaskRegistry(['score', 'train', 'matmul'].map(task));

  it('serves its types alone', () => {
    expect(servedTypes(worker({ pools: pools(gpu), pool: 'gpu' }), tasks)).toEqual(['score']);
    expect(servedTypes(worker({ pools: pools(gpu) }), tasks)).toEqual(['train', 'matmul']);
    expect(servedTypes(worker({}), tasks)).toEqual(['score', 'train', 'matmul']);
  });

  it('serves fewer of them where it is told which', () => {
    expect(servedTypes(worker({ pools: pools(gpu), types: 'train' }), tasks)).toEqual(['train']);
  });

  it.each([
    [{ pool: 'gpu' }, '--pool (DRAY_POOL): there is no pool "gpu"; by --pools there are default'],
    [
      { pools: pools(gpu), types: 'score' },
      '--types (DRAY_TYPES): "score" does not belong to the worker’s pool "default"',
    ],
    [{ types: 'other' }, 'no task runs jobs of type "other"'],
    [
      { pools: pools({ name: 'gpu', types: ['score', 'other'] }), pool: 'gpu' },
      'pool "gpu", "types": no task runs jobs of type "other"; this process knows score, train, matmul',
    ],
  ])('names the option that is wrong: %j', (flags, message) => {
    expect(() => servedTypes(worker(flags), tasks)).toThrow(message);
  });

  it('leaves the types of other pools to their workers', () => {
    const others = pools({ name: 'boxes', types: ['container'], minWorkers: 20 });
    expect(servedTypes(worker({ pools: others }), tasks)).toEqual(tasks.types);
    expect(() => checkTypes(readPools(worker({ pools: others })), tasks.types)).toThrow('pool "boxes"');
  });
});
