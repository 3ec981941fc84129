/** One worker is full with work of an hour: what is short goes to the other one, and nothing waits beside the first. */
import { expect } from 'vitest';
import { act, read, submit } from '../../support/api.js';
import { eventually } from '../../support/eventually.js';
import { clusterFault } from '../deployment/cluster-fault.js';

clusterFault('cluster-full-worker', 'no short job waits at a worker that is full with long ones', {
  happens: async ({ deployment, others }) => {
    const [full, other] = deployment.of('worker');
    await other!.stop();
    const [url] = deployment.urls;
    for (let slot = 0; slot < 2; slot++) {
      const { id } = await submit(url!, 'sleep', { seconds: 3_600 }, { priority: 'high' });
      others.add(id);
      await eventually(
        () => read(url!, id),
        (job) => job.worker?.includes(`:${full!.pid}:`) === true,
      );
    }
    await deployment.add('worker');
  },
  meanwhile: async ({ deployment, others }) => {
    const [url] = deployment.urls;
    for (const id of others) {
      expect(await read(url!, id)).toMatchObject({ status: 'in-progress', attempt: 1 });
      await act(url!, id, 'cancel');
    }
  },
});
