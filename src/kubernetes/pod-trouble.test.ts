import { describe, expect, test } from 'vitest';
import { troubleOf, type StandingPod } from './pod-trouble.js';

const now = Date.UTC(2026, 0, 1);
const ago = (seconds: number): string => new Date(now - seconds * 1_000).toISOString();
const pod = (status: StandingPod['status'], metadata = {}): StandingPod => ({
  metadata,
  status: status ?? {},
});
const waiting = (reason: string, more: object = {}) =>
  pod({ phase: 'Pending', containerStatuses: [{ name: 'api', state: { waiting: { reason } }, ...more }] });

describe('the trouble of a pod', () => {
  test('is none while it runs, starts, goes or is done', () => {
    const ready = [{ type: 'Ready', status: 'True', lastTransitionTime: ago(900) }];
    const running = [{ name: 'api', restartCount: 0, state: { running: {} } }];
    expect(
      troubleOf(pod({ phase: 'Running', conditions: ready, containerStatuses: running }), now),
    ).toBeUndefined();
    expect(troubleOf(waiting('ContainerCreating'), now)).toBeUndefined();
    expect(troubleOf(pod({ phase: 'Succeeded' }), now)).toBeUndefined();
    const unready = [{ type: 'Ready', status: 'False', lastTransitionTime: ago(20) }];
    expect(troubleOf(pod({ phase: 'Running', conditions: unready }), now)).toBeUndefined();
    const going = { deletionTimestamp: ago(1) };
    expect(troubleOf(pod({ phase: 'Failed' }, going), now)).toBeUndefined();
  });

  test('is what a container said before it crashed', () => {
    const message = 'redis: wrong: NOAUTH\nrabbitmq: wrong: refused\n';
    const lastState = { terminated: { exitCode: 1, reason: 'Error', message } };
    expect(troubleOf(waiting('CrashLoopBackOff', { lastState }), now)).toEqual({
      state: 'wrong',
      why: 'api: CrashLoopBackOff: it ended with 1: redis: wrong: NOAUTH; rabbitmq: wrong: refused',
    });
    const killed = { terminated: { exitCode: 137, reason: 'OOMKilled' } };
    expect(troubleOf(waiting('CrashLoopBackOff', { lastState: killed }), now)?.why).toMatch(/OOMKilled$/);
  });

  test('is an image that cannot be pulled, or a Secret that is missing', () => {
    for (const reason of ['ErrImagePull', 'ImagePullBackOff', 'CreateContainerConfigError']) {
      expect(troubleOf(waiting(reason), now)).toMatchObject({ state: 'wrong', why: `api: ${reason}` });
    }
  });

  test('is a node that nobody has for it', () => {
    const conditions = [{ type: 'PodScheduled', status: 'False', message: '0/2 nodes: Insufficient cpu' }];
    expect(troubleOf(pod({ phase: 'Pending', conditions }), now)?.why).toBe(
      'waits for a node: 0/2 nodes: Insufficient cpu',
    );
  });

  test('is that it is not ready for long, or waits in an init container', () => {
    const conditions = [{ type: 'Ready', status: 'False', lastTransitionTime: ago(90), message: 'x' }];
    expect(troubleOf(pod({ conditions }), now)?.why).toBe('is not ready since 90 s: x');
    const initContainerStatuses = [{ name: 'servers', state: { running: {} } }];
    expect(troubleOf(pod({ conditions, initContainerStatuses }), now)?.why).toBe(
      'waits for its init container servers since 90 s',
    );
    const lastState = { terminated: { exitCode: 1, reason: 'Error', message: 'redis: wrong: away' } };
    const again = [{ name: 'servers', restartCount: 1, state: { running: {} }, lastState }];
    expect(troubleOf(pod({ conditions, initContainerStatuses: again }), now)?.why).toBe(
      'waits for its init container servers since 90 s: it ended with 1: redis: wrong: away',
    );
  });

  test('is worth a warning where a container was started again', () => {
    const lastState = { terminated: { exitCode: 137, reason: 'OOMKilled' } };
    const containerStatuses = [{ name: 'worker', restartCount: 3, state: { running: {} }, lastState }];
    expect(troubleOf(pod({ phase: 'Running', containerStatuses }), now)).toEqual({
      state: 'warning',
      why: 'worker was started again 3 times: OOMKilled',
    });
  });
});
