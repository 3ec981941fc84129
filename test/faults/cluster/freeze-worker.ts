/** A worker is stopped (SIGSTOP) for longer than its leases last, and goes on: what it ran has been given to another. */
import { expect } from 'vitest';
import { systemClock } from '../../../src/clock.js';
import { leases } from '../../../src/jobs/limits.js';
import { read, submit, type Job } from '../../support/api.js';
import { eventually } from '../../support/eventually.js';
import { clusterFault } from '../deployment/cluster-fault.js';

clusterFault('cluster-freeze-worker', 'the results of a worker that lost its leases come too late', {
  rounds: { full: 4, quick: 1 },
  happens: async ({ deployment, drill, others }) => {
    const worker = drill.random.pick(deployment.of('worker'));
    // Something that it certainly runs when it is stopped: its executors go on, and have the result for it.
    const [url] = deployment.urls;
    await eventually(
      async () => {
        const long = await Promise.all(
          [1, 2, 3, 4].map(
            async () => (await submit(url!, 'sleep', { seconds: 3 }, { priority: 'high' })).id,
          ),
        );
        for (const id of long) others.add(id);
        return untilRunning(url!, worker.pid, long);
      },
      (running) => running,
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

/** True once this process runs one of the jobs; false where they have ended elsewhere. */
async function untilRunning(url: string, pid: number, ids: readonly string[]): Promise<boolean> {
  const jobs = await eventually(
    () => Promise.all(ids.map((id) => read(url, id))),
    (all) => all.some((job) => runsAt(job, pid)) || all.every(({ finishedAt }) => finishedAt !== undefined),
  );
  return jobs.some((job) => runsAt(job, pid));
}

function runsAt({ status, startedAt, worker }: Job, pid: number): boolean {
  return status === 'in-progress' && startedAt !== undefined && worker?.includes(`:${pid}:`) === true;
}
