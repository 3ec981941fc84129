import { describe, expect, it } from 'vitest';
import { endOf, readInspections } from './inspection.js';

const second = 1_000;
const start = Date.parse('2026-03-01T10:00:00Z');

/** As podman writes it; docker's differs in the slash before the name, and in more fields. */
function raw(state: object): object {
  return {
    Id: 'c0ffee',
    Name: '/test-job-1',
    Config: { Labels: { 'dray.dev/job': '1', 'dray.dev/timeout-ms': '10000' } },
    State: {
      Status: 'exited',
      ExitCode: 0,
      OOMKilled: false,
      StartedAt: '2026-03-01T10:00:00.123456789Z',
      FinishedAt: '2026-03-01T11:00:02.987654321+01:00',
      ...state,
    },
  };
}
const read = (state: object = {}) => readInspections(JSON.stringify([raw(state)]))[0]!;
const end = (state: object) => endOf(read(state), start + 60 * second);

describe('the state of a container', () => {
  it('is read with its times, whatever their zone and precision', () => {
    expect(read()).toMatchObject({
      id: 'c0ffee',
      name: 'test-job-1',
      jobId: '1',
      state: 'ended',
      timeoutMs: 10_000,
      startedAt: start + 123,
      finishedAt: start + 2_987,
    });
  });

  it.each([
    ['created', 'created'],
    ['initialized', 'created'],
    ['running', 'running'],
    ['stopping', 'running'],
    ['paused', 'running'],
    ['stopped', 'ended'],
    ['removing', 'going'],
  ])('%s means %s', (Status, state) => {
    expect(read({ Status }).state).toBe(state);
  });

  it('has no time of what has not been', () => {
    const never = '0001-01-01T00:00:00Z';
    expect(read({ StartedAt: never, FinishedAt: never })).not.toHaveProperty('startedAt');
    expect(read({ FinishedAt: never })).not.toHaveProperty('finishedAt');
  });
});

describe('the end of a container', () => {
  const late = '2026-03-01T10:00:12Z';

  it.each([0, 1, 125, 137, 143, 255])('with exit code %i in time is its own', (ExitCode) => {
    expect(end({ ExitCode })).toMatchObject({ reason: 'exited', exitCode: ExitCode, startedAt: start + 123 });
  });

  it.each([137, 143, -1])('by a kill (%i) after its deadline is the deadline', (ExitCode) => {
    expect(end({ ExitCode, FinishedAt: late })).toMatchObject({ reason: 'deadline' });
  });

  it('after its deadline is its own where nobody killed it', () => {
    expect(end({ ExitCode: 0, FinishedAt: late })).toMatchObject({ reason: 'exited', exitCode: 0 });
  });

  it('is out-of-memory where that failed it, be it late or not', () => {
    expect(end({ ExitCode: 137, OOMKilled: true, FinishedAt: late }).reason).toBe('out-of-memory');
    expect(end({ ExitCode: 1, OOMKilled: true }).reason).toBe('out-of-memory');
    expect(end({ ExitCode: 0, OOMKilled: true }).reason).toBe('exited');
  });

  it('is lost with the machine that went down', () => {
    expect(end({ FinishedAt: '0001-01-01T00:00:00Z' })).toMatchObject({ reason: 'lost' });
    expect(end({ ExitCode: -1 })).toMatchObject({ reason: 'lost' });
  });

  it('is never before its beginning, which podman notes late', () => {
    const { startedAt, finishedAt } = end({ FinishedAt: '2026-03-01T10:00:00.120Z' });
    expect([startedAt, finishedAt]).toEqual([start + 120, start + 120]);
  });

  it('is the image where it never began', () => {
    const never = '0001-01-01T00:00:00Z';
    expect(end({ StartedAt: never, FinishedAt: never, Error: 'no such file' })).toEqual({
      reason: 'image',
      message: 'no such file',
      finishedAt: start + 60 * second,
    });
  });
});
