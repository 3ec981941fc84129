/** Workers follow the queue: up with a burst, down after it, idle ones first, and never on a guess. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/clock.js';
import { ended, expectOnceEach, submitBurst } from './bursts.js';
import { metricsOwner, scalesToZero } from './autoscaling-features.js';
import { noChart } from './programs.js';
import { absentPrograms } from './prometheus-images.js';
import { TestPrometheus } from './prometheus.js';
import { drainGraceSeconds, haveSettledAt, most, ScaledRelease, slots } from './scaled-release.js';

const minutes = 60_000;
const [owner, usage, toZero] =
  noChart === undefined
    ? await Promise.all([
        metricsOwner('external.metrics.k8s.io'),
        metricsOwner('metrics.k8s.io'),
        scalesToZero(),
      ])
    : [undefined, undefined, false];
if (noChart === undefined && !toZero) console.warn('skipped: the cluster lacks the feature HPAScaleToZero');
if (owner !== undefined) console.warn(`skipped: ${owner} serves the cluster's external metrics`);
if (absentPrograms.length > 0) console.warn(`skipped: ${absentPrograms.join(' and ')} are not on PATH`);
if (noChart === undefined && usage === undefined) console.warn('skipped: the cluster has no metrics-server');

describe.skipIf(noChart !== undefined)('workers', { timeout: 8 * minutes }, () => {
  const scaled = new ScaledRelease(toZero);
  const controllers = (replicas: number) =>
    scaled.release.kubectl([
      ...['scale', 'deployment', `${scaled.release.fullname}-controller`, `--replicas=${replicas}`],
    ]);

  afterEach(() => scaled.rest());
  afterAll(() => scaled.cleanup());

  describe.skipIf(owner !== undefined)('by the figure that the controller serves', () => {
    beforeAll(() => scaled.be('metrics-api'));

    test.concurrent('follow a burst', () => scaled.followBurst('metrics-api'));
    test.skipIf(!toZero)('come from none, and go to none', { concurrent: true }, () =>
      scaled.followFromNone('metrics-api'),
    );

    test('stay as they are while it is unknown, and follow it afterwards', async () => {
      const recorder = scaled.record('default');
      await recorder.until(haveSettledAt(1));
      const burst = await scaled.sleeps({ label: 'unknown', count: 100, seconds: () => 3 });
      await recorder.until(haveSettledAt(most));
      await controllers(0);
      const jobs = await ended(scaled.release, burst);
      const { trouble } = await recorder.until((sample) => sample.trouble !== undefined);
      expect(trouble).toBe('FailedGetExternalMetric');
      // Longer than a plan holds, and than workers are kept after the figure has fallen.
      const start = recorder.samples.length;
      await systemClock.sleep(45_000);
      const meanwhile = recorder.samples.slice(start);
      expect(meanwhile.length).toBeGreaterThan(10);
      expect(meanwhile.filter((sample) => !haveSettledAt(most)(sample))).toEqual([]);
      await controllers(1);
      await recorder.until(haveSettledAt(1));
      await expectOnceEach(scaled.release, burst, jobs);
    });

    test('go where they are idle, and stay where they are not', async () => {
      const recorder = scaled.record('default');
      const warm = await scaled.sleeps({ label: 'warm', count: 100, seconds: () => 3 });
      await recorder.until(haveSettledAt(most));
      await ended(scaled.release, warm);
      const long = await scaled.sleeps({ label: 'long', count: 2, seconds: () => 60 });
      const jobs = await ended(scaled.release, long);
      await expectOnceEach(scaled.release, long, jobs);
      expect(jobs.flatMap(({ attempts }) => attempts)).toHaveLength(2);
      const firstEnd = Math.min(...jobs.map(({ finishedAt }) => Date.parse(finishedAt!)));
      const gone = [...recorder.leavers()].filter(([, { at }]) => at < firstEnd).map(([name]) => name);
      const busy = jobs.map(({ worker }) => worker!.replace(/:.*/, ''));
      expect(gone.length).toBeGreaterThan(0);
      expect(gone.filter((name) => busy.includes(name))).toEqual([]);
      console.log(`left while others were busy: ${gone.length} of ${most}; busy: ${new Set(busy).size}`);
    });

    test('end what ends within their grace when they must go, and hand back the rest, which costs no attempt', async () => {
      const recorder = scaled.record('default');
      const seconds = (index: number): number => (index % 5 === 0 ? 3 * drainGraceSeconds : 3);
      const burst = await scaled.sleeps({ label: 'grace', count: 60, seconds });
      await recorder.until(({ running }) => running === most * slots);
      const bound = (maxReplicas: number) =>
        scaled.release.kubectl([
          ...['patch', 'horizontalpodautoscaler', `${scaled.release.fullname}-worker-default`],
          ...['--type=merge', `--patch=${JSON.stringify({ spec: { maxReplicas } })}`],
        ]);
      await bound(1);
      await recorder.until(haveSettledAt(1));
      await bound(most);
      const jobs = await ended(scaled.release, burst);
      await expectOnceEach(scaled.release, burst, jobs);
      const leavers = recorder.leavers();
      const endedOnLeavers = jobs
        .flatMap(({ attempts }) => attempts)
        .filter(({ worker, endedAt }) => {
          const leaver = leavers.get(worker.replace(/:.*/, ''));
          return leaver !== undefined && Date.parse(endedAt) > leaver.at;
        })
        .map(({ outcome }) => outcome);
      expect(new Set(endedOnLeavers)).toEqual(new Set(['completed', 'released']));
    });
  });

  describe.skipIf(owner !== undefined || absentPrograms.length > 0)(
    'by what prometheus-adapter makes of the figure',
    () => {
      let prometheus: TestPrometheus | undefined;
      beforeAll(async () => {
        await scaled.be('prometheus');
        prometheus = new TestPrometheus(scaled.release);
        await prometheus.start();
      });
      afterAll(() => prometheus?.close());

      test.concurrent('follow a burst', () => scaled.followBurst('prometheus'));
      test.skipIf(!toZero)('come from none, and go to none', { concurrent: true }, () =>
        scaled.followFromNone('prometheus'),
      );
    },
  );

  describe.skipIf(usage === undefined)('by the CPU that they use', () => {
    // Where nothing runs nothing uses CPU, and none can come from none.
    const alwaysOne = { min: 1, max: 1 };
    beforeAll(() => scaled.be('cpu', { workers: { pools: { beside: alwaysOne } } }));

    test('follow a burst', async () => {
      const random = (seed: number) => ({ random: { rows: 600, cols: 600, seed } });
      const input = (index: number) => ({ a: random(index), b: random(10_000 + index) });
      const burst = { label: 'cpu', count: 1_000, seconds: 50, type: 'matmul', input };
      const submit = () => submitBurst(scaled.release, burst);
      await scaled.follow({ name: `cpu-1-${most}-1`, pool: 'default', min: 1, max: most, submit });
    });
  });
});
