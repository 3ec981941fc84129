import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../test/support/manual-clock.js';
import { fractionsOf, taskContext } from '../testing/task-context.js';
import { limits } from '../jobs/limits.js';
import { TaskRegistry } from './registry.js';
import { createStartEnd, outwardAddress } from './start-end.js';

const address = (address: string, family: 'IPv4' | 'IPv6', internal = false) =>
  family === 'IPv4'
    ? { address, family, internal, netmask: '', mac: '', cidr: null }
    : { address, family, internal, netmask: '', mac: '', cidr: null, scopeid: 0 };
const addresses = () => ({ eth0: [address('10.1.2.3', 'IPv4')] });
const given = { start: 'go!', end: 'stop!' };
const admission = { blobs: taskContext().blobs, maxMatrixElements: 1 };

describe('the task start-end', () => {
  it('ends at once and notes its worker', async () => {
    const task = createStartEnd({ simulateSeconds: 0, clock: new ManualClock(), addresses });
    const context = taskContext();
    const output = await task.run(given, context);
    expect(output).toEqual({ worker: '10.1.2.3' });
    expect(fractionsOf(context)).toEqual([1]);
    expect(() => new TaskRegistry([task]).checkOutput('start-end', output)).not.toThrow();
  });

  it('holds its slot while work is simulated', async () => {
    const clock = new ManualClock();
    const task = createStartEnd({ simulateSeconds: 1.25, clock, addresses });
    const context = taskContext();
    let ended = false;
    const run = Promise.resolve(task.run(given, context));
    void run.then(() => (ended = true));
    for (const step of [500, 500, 249]) {
      clock.advance(step);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(ended).toBe(false);
    clock.advance(1);
    await run;
    expect(fractionsOf(context)).toEqual([0, 0.4, 0.8, 1]);
  });

  it('ends at once when its attempt is stopped', async () => {
    const task = createStartEnd({ simulateSeconds: 3_600, clock: new ManualClock(), addresses });
    const context = taskContext();
    const run = task.run(given, context);
    context.controller.abort(new Error('cancelled'));
    await expect(run).rejects.toThrow('cancelled');
  });

  it('takes as an input what fits into the record of a job', async () => {
    const task = createStartEnd({ simulateSeconds: 0, clock: new ManualClock() });
    const wide = { start: '漢'.repeat(4_096), end: '漢'.repeat(4_096) };
    expect(await task.admit!(wide, admission)).toEqual(wide);
    const escaped = { start: '\u0001'.repeat(limits.inlinePayload / 6), end: '' };
    expect(() => task.admit!(escaped, admission)).toThrow(/32 KiB/);
  });
});

describe('the address of a machine', () => {
  it('is its first IPv4 address that is not internal', () => {
    const interfaces = {
      lo: [address('127.0.0.1', 'IPv4', true), address('::1', 'IPv6', true)],
      wlan0: undefined,
      eth0: [address('fe80::1', 'IPv6'), address('10.1.2.3', 'IPv4'), address('10.1.2.4', 'IPv4')],
      eth1: [address('10.9.9.9', 'IPv4')],
    };
    expect(outwardAddress(interfaces)).toBe('10.1.2.3');
  });

  it('is loopback where there is no other', () => {
    expect(outwardAddress({})).toBe('127.0.0.1');
    expect(outwardAddress({ lo: [address('127.0.0.1', 'IPv4', true)] })).toBe('127.0.0.1');
    expect(outwardAddress({ eth0: [address('2001:db8::1', 'IPv6')] })).toBe('127.0.0.1');
  });
});
