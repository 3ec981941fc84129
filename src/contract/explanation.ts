/** The wire form of an explanation: why a job is where it is. */
import { Type, type Static } from 'typebox';
import { Attempt, JobId, JobStatus } from './job.js';

const time = { format: 'date-time' };

export const Explanation = Type.Object(
  {
    id: JobId,
    type: Type.String(),
    status: JobStatus,
    reasons: Type.Array(
      Type.Object({
        code: Type.String({
          description:
            'delayed, backing-off, paused, no-worker, key-full, jobs-ahead, other-types, slots-busy, about-to-start, running, completed, failed or cancelled.',
        }),
        message: Type.String(),
      }),
      { description: 'Why the job is where it is; the first weighs most.' },
    ),
    expectedStart: Type.Optional(
      Type.Object(
        {
          at: Type.String(time),
          kind: Type.Union([Type.Literal('estimate'), Type.Literal('earliest')], {
            description: 'earliest: what cannot be foreseen may make it later.',
          }),
          basis: Type.String({ description: 'What it rests on.' }),
        },
        { description: 'Absent where it is not known.' },
      ),
    ),
    next: Type.Optional(Type.String({ description: 'What to do, where there is something.' })),
    attempts: Type.Array(
      Type.Intersect([Attempt, Type.Object({ durationMs: Type.Integer({ minimum: 0 }) })]),
      {
        description: 'The latest attempts that ended, oldest first.',
      },
    ),
  },
  { $id: 'Explanation' },
);
export type Explanation = Static<typeof Explanation>;
