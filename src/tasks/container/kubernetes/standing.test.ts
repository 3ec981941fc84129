import { describe, expect, test } from 'vitest';
import type { KubeJob, KubePod } from './objects.js';
import { standingOf, type Standing } from './standing.js';

const begun = Date.parse('2026-01-01T00:00:00Z');
const at = (seconds: number): string => new Date(begun + seconds * 1_000).toISOString().replace('.000', '');
const now = begun + 100_000;

function job(...conditions: readonly { type: string; reason?: string }[]): KubeJob {
  return {
    metadata: { name: 'job', uid: 'uid-1' },
    status: { conditions: conditions.map((one) => ({ status: 'True', lastTransitionTime: at(60), ...one })) },
  };
}

function pod(status: NonNullable<KubePod['status']>, metadata: Partial<KubePod['metadata']> = {}): KubePod {
  return {
    metadata: { name: 'pod', uid: 'uid-2', ownerReferences: [{ uid: 'uid-1' }], ...metadata },
    spec: { nodeName: 'node', activeDeadlineSeconds: 30 },
    status,
  };
}

function ended(
  exitCode: number,
  given: { reason?: string; from?: number; to?: number } = {},
): NonNullable<KubePod['status']> {
  const { reason = exitCode === 0 ? 'Completed' : 'Error', from = 10, to = 20 } = given;
  const terminated = { exitCode, reason, startedAt: at(from), finishedAt: at(to) };
  return { phase: exitCode === 0 ? 'Succeeded' : 'Failed', containerStatuses: [{ state: { terminated } }] };
}

const waiting = (reason: string, message?: string): NonNullable<KubePod['status']> => ({
  phase: 'Pending',
  containerStatuses: [{ state: { waiting: { reason, ...(message !== undefined && { message }) } } }],
});

function standing(given: { job?: KubeJob | undefined; pods?: readonly KubePod[] }): Standing {
  return standingOf({ job: job(), pods: [], now, imageMs: 120_000, ...given });
}

const times = { startedAt: begun + 10_000, finishedAt: begun + 20_000 };

describe('what a Job and its pod say', () => {
  test('has begun nothing yet without a pod', () => {
    expect(standing({})).toMatchObject({ state: 'waiting' });
  });

  test('names the command that tells why it gets no pod', () => {
    const refused = job();
    const metadata = { ...refused.metadata, creationTimestamp: at(80) };
    expect(standing({ job: { ...refused, metadata } })).toEqual({
      state: 'waiting',
      message: 'it has no pod yet; kubectl describe job job says why',
    });
  });

  test('is lost without a Job, or with one that goes', () => {
    expect(standing({ job: undefined })).toMatchObject({ end: { reason: 'lost' } });
    const going: KubeJob = { metadata: { name: 'job', uid: 'uid-1', deletionTimestamp: at(30) } };
    expect(standing({ job: going, pods: [pod(ended(0))] })).toMatchObject({ end: { reason: 'lost' } });
  });

  test('tells why no node takes it', () => {
    const message = '0/3 nodes are available: 3 Insufficient memory.';
    const conditions = [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }];
    const pods = [{ ...pod({ phase: 'Pending', conditions }), spec: {} }];
    expect(standing({ pods })).toEqual({ state: 'waiting', message });
  });

  test('waits a while for an image, and not for one without hope', () => {
    expect(standing({ pods: [pod(waiting('ContainerCreating'))] })).toEqual({ state: 'pulling' });
    for (const reason of ['ErrImagePull', 'ImagePullBackOff', 'CreateContainerError']) {
      expect(standing({ pods: [pod(waiting(reason, 'why'))] })).toMatchObject({
        state: 'pulling',
        unless: { withinMs: 120_000, end: { reason: 'image', message: `${reason}: why` } },
      });
    }
    for (const reason of ['InvalidImageName', 'CreateContainerConfigError', 'ErrImageNeverPull']) {
      expect(standing({ pods: [pod(waiting(reason))] })).toMatchObject({ end: { reason: 'image' } });
    }
  });

  test('runs until the pod is over, though its container may have ended', () => {
    expect(standing({ pods: [pod({ ...ended(0), phase: 'Running' })] })).toEqual({ state: 'running' });
  });

  test.for([
    [ended(0), { reason: 'exited', exitCode: 0, ...times }],
    [ended(7), { reason: 'exited', exitCode: 7, ...times }],
    [ended(137), { reason: 'exited', exitCode: 137, ...times }],
    [ended(137, { reason: 'OOMKilled' }), { reason: 'out-of-memory', exitCode: 137, ...times }],
    // A child was killed, and the container went on without it.
    [ended(0, { reason: 'OOMKilled' }), { reason: 'exited', exitCode: 0, ...times }],
    [ended(128, { reason: 'StartError' }), { reason: 'image' }],
    [ended(137, { reason: 'ContainerStatusUnknown' }), { reason: 'lost' }],
    [
      { ...ended(143), reason: 'DeadlineExceeded' },
      { reason: 'deadline', exitCode: 143, ...times },
    ],
    [{ ...ended(137), reason: 'Evicted' }, { reason: 'lost' }],
    [{ ...ended(143), conditions: [{ type: 'DisruptionTarget', status: 'True' }] }, { reason: 'lost' }],
    [{ phase: 'Failed', reason: 'OutOfcpu' }, { reason: 'lost' }],
    [{ phase: 'Failed', reason: 'DeadlineExceeded' }, { reason: 'lost' }],
    [{ ...waiting('ErrImagePull'), phase: 'Failed', reason: 'DeadlineExceeded' }, { reason: 'image' }],
  ] as const)('knows the end of %j', ([status, end]) => {
    expect(standing({ pods: [pod(status)] })).toMatchObject({ end });
  });

  test('is lost where its pod was removed before it had finished, and not after', () => {
    // Asked for at 20 s, with a grace of 10 s.
    const removed = { deletionTimestamp: at(30), deletionGracePeriodSeconds: 10 };
    expect(standing({ pods: [pod(ended(143, { to: 20 }), removed)] })).toMatchObject({
      end: { reason: 'lost' },
    });
    expect(standing({ pods: [pod(ended(3, { to: 19 }), removed)] })).toMatchObject({ end: { exitCode: 3 } });
  });

  test("is over its deadline by the Job's own only where it had its time", () => {
    const late = job({ type: 'FailureTarget', reason: 'DeadlineExceeded' });
    const removed = { deletionTimestamp: at(90), deletionGracePeriodSeconds: 10 };
    const long = pod(ended(143, { from: 10, to: 85 }), removed);
    expect(standing({ job: late, pods: [long] })).toMatchObject({ end: { reason: 'deadline' } });
    const short = pod(ended(143, { from: 80, to: 85 }), removed);
    expect(standing({ job: late, pods: [short] })).toMatchObject({ end: { reason: 'lost' } });
  });

  test('gives up a pod that should have gone', () => {
    const removed = { deletionTimestamp: at(30), deletionGracePeriodSeconds: 10 };
    const running = pod({ phase: 'Running', containerStatuses: [{ state: { running: {} } }] }, removed);
    expect(standing({ pods: [running] })).toMatchObject({
      state: 'running',
      unless: { withinMs: 40_000, end: { reason: 'lost' } },
    });
  });

  test('is lost where nobody can tell any more how it ended', () => {
    const ends = [
      { type: 'Complete' },
      { type: 'Failed', reason: 'BackoffLimitExceeded' },
      { type: 'Failed', reason: 'DeadlineExceeded' },
    ];
    for (const end of ends) {
      expect(standing({ job: job(end) })).toMatchObject({
        end: { reason: 'lost', finishedAt: begun + 60_000 },
      });
    }
  });

  test('looks at the latest pod of this Job alone', () => {
    const strange = pod(ended(1), { ownerReferences: [{ uid: 'of another' }], creationTimestamp: at(9) });
    const early = pod(ended(2), { creationTimestamp: at(1) });
    const late = pod(ended(3), { creationTimestamp: at(2) });
    expect(standing({ pods: [late, strange, early] })).toMatchObject({ end: { exitCode: 3 } });
  });
});
