/** The wire form of the scaling figure: flat and numeric, as autoscalers want it, the figure itself first. */
import { Type, type Static } from 'typebox';

const count = (description: string) => Type.Integer({ minimum: 0, description });
const amount = (description: string) => Type.Number({ minimum: 0, description });

export const WorkerScale = Type.Object(
  {
    desired_worker_scale: count('How many workers there should be.'),
    current_workers: count('How many there are.'),
    busy_workers: count('How many of them work.'),
    min_workers: count('Never fewer.'),
    max_workers: count('Never more.'),
    need: count(
      'What the load needs: ceil((arrival_rate * service_time + backlog_seconds / drain_target) / (slots_per_worker * utilisation))',
    ),
    arrival_rate: amount('Jobs a second.'),
    service_time: amount('Seconds that a job keeps a slot busy, on average.'),
    backlog_jobs: count('Jobs that wait.'),
    backlog_seconds: amount('How long they will keep slots busy, together.'),
    oldest_age: amount('Seconds since when the job waits that has waited longest; 0 where none does.'),
    slots_per_worker: count('Jobs that a worker runs at a time.'),
    utilisation: amount('The share of its slots that a worker should have busy.'),
    drain_target: amount('Seconds in which a backlog should be worked off.'),
    slo: amount('Seconds that a job should wait at most.'),
  },
  { $id: 'WorkerScale' },
);
export type WorkerScale = Static<typeof WorkerScale>;
