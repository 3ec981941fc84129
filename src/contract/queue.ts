/** The wire form of queues: what there is of each job type, who serves it, and changes of many jobs at once. */
import { Type, type Static } from 'typebox';
import { statuses, type Status } from '../jobs/life-cycle.js';
import { JobStatus } from './job.js';

const count = (description: string) => Type.Integer({ minimum: 0, description });
const rate = (description: string) => Type.Number({ minimum: 0, description });

export const Queue = Type.Object(
  {
    type: Type.String(),
    paused: Type.Boolean({ description: 'True where nothing of the type is handed out.' }),
    jobs: Type.Unsafe<Record<Status, number>>(
      Type.Object(Object.fromEntries(statuses.map((status) => [status, Type.Integer({ minimum: 0 })])), {
        description: 'Jobs in each status now.',
      }),
    ),
    held: count('Of the pending jobs, those that wait for a place of their concurrency key.'),
    pendingWork: count('The work of the jobs that a worker may take now, in the unit of the type.'),
    oldestAgeSeconds: rate('How long the job has waited that has waited longest; 0 where none waits.'),
    meanSeconds: Type.Optional(
      rate('How long completed attempts ran, on average; absent while there is none.'),
    ),
    since: Type.String({ format: 'date-time', description: 'From when on the rates are counted.' }),
    submittedPerSecond: rate('Jobs accepted, on average since then.'),
    completedPerSecond: rate('Jobs completed, on average since then.'),
    workers: Type.Array(Type.String(), { description: 'The ids of the workers that serve the type.' }),
    slots: count('Jobs that these workers can run at a time, of all of their types together.'),
  },
  { $id: 'Queue' },
);
export type Queue = Static<typeof Queue>;

export const QueueList = Type.Object({ queues: Type.Array(Queue) });
export type QueueList = Static<typeof QueueList>;

/** Which jobs to change: those that fit in all that is given. */
export const BulkChange = Type.Object(
  {
    status: Type.Optional(JobStatus),
    type: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
    label: Type.Optional(
      Type.String({
        pattern: '^[A-Za-z0-9._/-]{1,64}=.{0,256}$',
        description: 'A name and its value, as name=value.',
      }),
    ),
    all: Type.Optional(Type.Literal(true, { description: 'Every job, where nothing else is given.' })),
  },
  { $id: 'BulkChange', additionalProperties: false },
);
export type BulkChange = Static<typeof BulkChange>;

export const BulkChanged = Type.Object({
  changed: count('How many jobs were changed.'),
  more: Type.Boolean({ description: 'True where there may be more: ask again.' }),
});
export type BulkChanged = Static<typeof BulkChanged>;
