/** Executors die with -9 in the middle of work: their worker reports it, and the job is tried again. */
import { readFileSync } from 'node:fs';
import { clusterFault } from '../deployment/cluster-fault.js';

clusterFault('cluster-kill-executor', 'what a killed executor ran is tried again', {
  rounds: { full: 40, quick: 5 },
  happens: async ({ deployment, drill }) => {
    await deployment.pause(50, 1_000);
    const { pid } = drill.random.pick(deployment.of('worker'));
    const executors = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
    const executor = Number(drill.random.pick(executors));
    if (executor > 0) process.kill(executor, 'SIGKILL');
  },
});
