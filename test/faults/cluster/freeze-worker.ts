/** A worker is stopped (SIGSTOP) for longer than its leases last, and goes on: what it ran has been given to another. */
import { expect } from 'vitest';
import { systemClock } from '../../../src/clock.js';
import { leases } from '../../../src/jobs/limits.js';
import { submit } from '../../support/api.js';
import { eventually } from '../../support/eventually.js';
import { clusterFault } from '../deployment/cluster-fault.js';

clusterFault('cluster-freeze-worker', 'the results of a worker that lost its leases come too late', {
  rounds: { full: 4, quick: 1 },
  checked: true,
  happens: async ({ deployment, drill, others }) => {
    const worker = drill.random.pick(deployment.of('worker'));
    // Something that it certainly runs when it is stopped: its executors go on, and have the result for it.
    const long = await Promise.all(
      [1, 2, 3, 4].map(async () => (await submit(deployment.urls[0]!, 'sleep', { seconds: 3 })).id),
    );
    for (const id of long) others.add(id);
    await eventually(
      () => runningAt(deployment.urls[0]!, worker.pid, long),
      (running) => running > 0,
    );
    worker.signal('SIGSTOP');
    await systemClock.sleep(leases.lease + drill.random.between(2_000, 6_000));
    worker.signal('SIGCONT');
  },
  then: ({ others }, ended) => {
    const long = ended.filter(({ id }) => others.has(id));
    expect(long.map(({ status }) => status)).toEqual(long.map(() => 'completed'));
    expect(long.flatMap(({ attempts }) => attempts.map(({ outcome }) => outcome))).toContain('expired');
    return Promise.resolve();
  },
});

/** How many of the jobs this process runs now. */
async function runningAt(url: string, pid: number, ids: readonly string[]): Promise<number> {
  const jobs = await Promise.all(
    ids.map(
      async (id) =>
        (await (await fetch(`${url}/v1/jobs/${id}`)).json()) as { status: string; worker?: string },
    ),
  );
  return jobs.filter(({ status, worker }) => status === 'in-progress' && worker?.endsWith(`:${pid}`)).length;
}
