/** /desired-worker-scale: the scaling rule's figure and its terms, flat and numeric, for autoscalers. */
import { Type } from 'typebox';
import { Problem } from '../../contract/problem.js';
import { WorkerScale } from '../../contract/scale.js';
import { DrayError } from '../../jobs/errors.js';
import { defaultPool } from '../../jobs/pools.js';
import type { App, Dependencies } from '../dependencies.js';

export function scalingRoutes(app: App, { scaling }: Pick<Dependencies, 'scaling'>): void {
  // As its clients ask for it and as others do: nobody is redirected.
  for (const path of ['/desired-worker-scale', '/desired-worker-scale/']) {
    app.get(
      path,
      {
        schema: {
          hide: path.endsWith('/'),
          tags: ['service'],
          summary: 'How many workers there should be, and why',
          querystring: Type.Object({ pool: Type.Optional(Type.String({ maxLength: 128 })) }),
          response: { 200: WorkerScale, '4xx': Problem, 503: Problem },
        },
      },
      async (request): Promise<WorkerScale> => {
        const { pool = defaultPool } = request.query;
        const plans = await scaling();
        const plan = plans.get(pool);
        if (!plan) {
          const message = `there is no pool "${pool}"; there are ${[...plans.keys()].join(', ')}`;
          throw new DrayError('pool-not-found', message, { field: 'query.pool' });
        }
        if (plan.kind === 'unknown') throw new DrayError('scale-unknown', plan.reason);
        const { desired, need, snapshot, policy } = plan;
        return {
          desired_worker_scale: desired,
          current_workers: snapshot.currentWorkers,
          busy_workers: snapshot.busyWorkers,
          min_workers: policy.min,
          max_workers: policy.max,
          need,
          arrival_rate: snapshot.arrivalRate,
          service_time: snapshot.serviceTime,
          backlog_jobs: snapshot.backlogJobs,
          backlog_seconds: snapshot.backlogSeconds,
          oldest_age: snapshot.oldestAge,
          slots_per_worker: policy.slotsPerWorker,
          utilisation: policy.utilisation,
          drain_target: policy.drainTarget,
          slo: policy.slo,
        };
      },
    );
  }
}
