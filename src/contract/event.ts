/** The wire form of events: the data of each `event: job` in a stream of server-sent events. */
import { Type, type Static } from 'typebox';
import { JobFailure, JobId, JobStatus } from './job.js';

export const JobEvent = Type.Object(
  {
    id: JobId,
    type: Type.String(),
    status: JobStatus,
    version: Type.Integer({ description: 'Grows by one with every change of state.' }),
    attempt: Type.Optional(
      Type.Integer({ description: 'Only in the stream of one job, like what follows.' }),
    ),
    maxAttempts: Type.Optional(Type.Integer()),
    worker: Type.Optional(Type.String()),
    progress: Type.Optional(
      Type.Object({
        fraction: Type.Number({ minimum: 0, maximum: 1 }),
        message: Type.Optional(Type.String()),
      }),
    ),
    error: Type.Optional(JobFailure),
  },
  { $id: 'JobEvent' },
);
export type JobEvent = Static<typeof JobEvent>;

/** The data of each `event: output`, in the stream of one job. */
export const OutputEvent = Type.Object(
  {
    id: JobId,
    text: Type.String({ description: 'What the job has printed, in a piece that may end anywhere.' }),
  },
  { $id: 'OutputEvent' },
);
export type OutputEvent = Static<typeof OutputEvent>;
