import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/clock.js';
import { busySlots } from '../../../src/compose/processes/kubernetes.js';
import { costAnnotation, DeletionCosts } from '../../../src/kubernetes/deletion-costs.js';
import { KubernetesStandIn, type Json } from '../../support/kubernetes-api.js';
import { ManualClock } from '../../support/manual-clock.js';

const path = (pod: string) => `/api/v1/namespaces/here/pods/${pod}`;
let cluster: KubernetesStandIn;
let clock: ManualClock;
let costs: DeletionCosts;
let said: string[];

beforeEach(async () => {
  cluster = new KubernetesStandIn();
  await cluster.start();
  clock = new ManualClock();
  said = [];
  const log = {
    info: (message: string) => said.push(message),
    warn: (message: string) => said.push(message),
  };
  costs = new DeletionCosts({ api: cluster.api(clock), clock, log });
  for (const pod of ['a', 'b', 'c']) addPod(pod);
});
afterEach(() => cluster.stop());

function addPod(name: string, more: Json = {}): void {
  cluster.put(path(name), {
    metadata: { uid: `of ${name}`, labels: { 'dray.dev/pool': 'default' }, ...more },
  });
}

function costOf(pod: string): string | undefined {
  const { annotations } = cluster.objects.get(path(pod))!['metadata'] as {
    annotations?: Record<string, string>;
  };
  return annotations?.[costAnnotation];
}

const patches = () => cluster.asked.filter((one) => one.startsWith('PATCH'));
const write = (busy: Record<string, number>): Promise<void> => costs.write(new Map(Object.entries(busy)));

describe('deletion costs', () => {
  test('are the busy slots of all workers of a process', () => {
    const workers = [
      { host: 'a', busy: 2 },
      { host: 'b', busy: 0 },
      { host: 'a', busy: 1 },
    ];
    expect([...busySlots(workers)]).toEqual([
      ['a', 3],
      ['b', 0],
    ]);
  });

  test('are written where they are others than before', async () => {
    await write({ a: 2, b: 0, c: 1 });
    expect([costOf('a'), costOf('b'), costOf('c')]).toEqual(['2', undefined, '1']);
    clock.advance(1_000);
    await write({ a: 2, b: 0, c: 0 });
    expect(patches()).toEqual([`PATCH ${path('a')}`, `PATCH ${path('c')}`, `PATCH ${path('c')}`]);
    expect(costOf('c')).toBe('0');
  });

  test('are known to a new leader from the pods', async () => {
    addPod('a', { annotations: { [costAnnotation]: '4', other: 'x' } });
    await write({ a: 4 });
    expect(patches()).toEqual([]);
    await write({ a: 5 });
    expect(cluster.objects.get(path('a'))).toMatchObject({
      metadata: { annotations: { [costAnnotation]: '5', other: 'x' } },
    });
  });

  test('are written to a pod once a second at most', async () => {
    await write({ a: 1 });
    clock.advance(999);
    await write({ a: 2, b: 1 });
    expect([costOf('a'), costOf('b')]).toEqual(['1', '1']);
    clock.advance(1);
    await write({ a: 2, b: 1 });
    expect(costOf('a')).toBe('2');
  });

  test('are the latest ones where several writes wait', async () => {
    cluster.delayMs = 20;
    const first = write({ a: 1 });
    await seen(() => patches().length === 1);
    const waiting = [write({ b: 2 }), write({ b: 3 }), write({ b: 4 })];
    await Promise.all([first, ...waiting]);
    expect(costOf('b')).toBe('4');
    expect(patches()).toHaveLength(2);
  });

  test('are not written to pods that are not of Dray, or not there, and those are left alone for a while', async () => {
    cluster.put(path('stranger'), { metadata: { uid: 'x', labels: { app: 'shop' } } });
    for (let second = 0; second < 59; second += 1) {
      await write({ stranger: 1, gone: 1, a: 0 });
      clock.advance(1_000);
    }
    expect(patches()).toEqual([]);
    for (const pod of ['stranger', 'gone'])
      expect(cluster.asked.filter((one) => one === `GET ${path(pod)}`)).toHaveLength(1);
    addPod('gone');
    clock.advance(1_000);
    await write({ stranger: 1, gone: 1, a: 0 });
    expect(costOf('gone')).toBe('1');
    expect(said).toEqual([]);
  });

  test('are not taken over by another pod of the same name', async () => {
    await write({ a: 3 });
    addPod('a', { uid: 'another' });
    clock.advance(1_000);
    await write({ a: 4 });
    expect(costOf('a')).toBeUndefined();
    await write({ a: 4 });
    expect(costOf('a')).toBe('4');
  });

  test('say once that they may not be written, and ask again a while later', async () => {
    cluster.refuse = (asked) => (asked.startsWith('PATCH') ? 403 : undefined);
    for (let second = 0; second < 30; second += 1) {
      await write({ a: 1 });
      clock.advance(1_000);
    }
    expect(patches()).toHaveLength(1);
    expect(said).toEqual(['pods cannot be told what they cost: busy ones may go first']);
    cluster.refuse = undefined;
    clock.advance(60_000);
    await write({ a: 1 });
    expect(costOf('a')).toBe('1');
    expect(said).toHaveLength(2);
  });

  test('are written to a few pods at a time', async () => {
    const names = Array.from({ length: 30 }, (_, index) => `pod-${index}`);
    for (const name of names) addPod(name);
    cluster.delayMs = 20;
    await write(Object.fromEntries(names.map((name) => [name, 1])));
    expect(names.map(costOf)).toEqual(names.map(() => '1'));
    expect(cluster.mostAtOnce).toBeGreaterThan(1);
    expect(cluster.mostAtOnce).toBeLessThanOrEqual(8);
  });
});

async function seen(happened: () => boolean): Promise<void> {
  while (!happened()) await systemClock.sleep(1);
}
