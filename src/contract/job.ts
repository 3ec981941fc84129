/** The wire form of jobs: what `/v1` takes and gives. OpenAPI and clients come from these schemas. */
import { Type, type Static } from 'typebox';
import { limits } from '../jobs/limits.js';
import { statuses, type Status } from '../jobs/life-cycle.js';
import { priorities, type Priority as PriorityName } from '../jobs/priority.js';

/** `Unsafe` gives the union its static type, which a mapped array of literals has lost. */
export const JobStatus = Type.Unsafe<Status>(
  Type.Union(
    statuses.map((status) => Type.Literal(status)),
    { description: 'Where the job is in its life cycle.' },
  ),
);

export const Priority = Type.Unsafe<PriorityName>(
  Type.Union(
    priorities.map((priority) => Type.Literal(priority)),
    { description: 'high, normal and low are served 16:4:1 while all three wait.' },
  ),
);

const labelName = '^[A-Za-z0-9._/-]{1,64}$';
export const Labels = Type.Record(
  Type.String({ pattern: labelName }),
  Type.String({ maxLength: limits.labelValue }),
  {
    maxProperties: limits.labels,
    additionalProperties: false,
    description:
      'Names of 1–64 characters of A–Z a–z 0–9 . _ / - and what they say; the list filters by them.',
  },
);

export const JobId = Type.String({ format: 'uuid', description: 'UUIDv7: ids sort by submission time.' });

export const JobFailure = Type.Object({
  code: Type.String({ description: 'A code of the error catalogue, or the task’s own.' }),
  message: Type.String(),
  permanent: Type.Boolean({ description: 'True where a retry cannot help.' }),
  details: Type.Optional(
    Type.Record(Type.String(), Type.Unknown(), {
      description:
        'What the task says of it beyond that. Blobs that it names are kept as long as the job is.',
    }),
  ),
});
export type JobFailure = Static<typeof JobFailure>;

export const Attempt = Type.Object({
  attempt: Type.Integer({ minimum: 1 }),
  worker: Type.String(),
  startedAt: Type.String({ format: 'date-time' }),
  endedAt: Type.String({ format: 'date-time' }),
  outcome: Type.Union([
    Type.Literal('completed'),
    Type.Literal('failed'),
    Type.Literal('expired'),
    Type.Literal('released'),
    Type.Literal('cancelled'),
  ]),
  error: Type.Optional(JobFailure),
  peakMemory: Type.Optional(Type.Integer({ description: 'Largest resident set of the executor, bytes.' })),
});

export const Job = Type.Object(
  {
    id: JobId,
    type: Type.String(),
    status: JobStatus,
    version: Type.Integer({ description: 'Grows by one with every change of state.' }),
    priority: Priority,
    concurrencyKey: Type.Optional(Type.String()),
    held: Type.Optional(
      Type.Boolean({ description: 'True where the job is pending and waits for a place of its key.' }),
    ),
    labels: Type.Record(Type.String(), Type.String()),
    input: Type.Optional(Type.Unknown({ description: 'Absent where it is stored as a blob.' })),
    inputBlob: Type.Optional(Type.String({ description: 'The blob that holds an input above 32 KiB.' })),
    attempt: Type.Integer({ description: 'Attempts started so far; 0 before the first.' }),
    maxAttempts: Type.Integer(),
    timeoutMs: Type.Integer(),
    createdAt: Type.String({ format: 'date-time' }),
    runAt: Type.Optional(Type.String({ format: 'date-time', description: 'When a scheduled job is due.' })),
    startedAt: Type.Optional(Type.String({ format: 'date-time' })),
    finishedAt: Type.Optional(Type.String({ format: 'date-time' })),
    worker: Type.Optional(Type.String({ description: 'Who runs, or last ran, the job.' })),
    progress: Type.Optional(
      Type.Object({
        fraction: Type.Number({ minimum: 0, maximum: 1 }),
        message: Type.Optional(Type.String()),
      }),
    ),
    result: Type.Optional(Type.Unknown({ description: 'Absent where it is stored as a blob.' })),
    resultBlob: Type.Optional(Type.String()),
    error: Type.Optional(JobFailure),
    attempts: Type.Array(Attempt, { description: 'The latest attempts that ended, oldest first.' }),
  },
  { $id: 'Job' },
);
export type Job = Static<typeof Job>;

export const SubmitJob = Type.Object(
  {
    type: Type.String({ minLength: 1, maxLength: 128 }),
    input: Type.Optional(Type.Unknown({ description: 'Validated against the task’s own schema.' })),
    retry: Type.Optional(
      Type.Object(
        {
          attempts: Type.Optional(Type.Integer({ minimum: 1, maximum: limits.attempts })),
          baseMs: Type.Optional(Type.Integer({ minimum: 0, maximum: 86_400_000 })),
          factor: Type.Optional(Type.Number({ minimum: 1, maximum: 100 })),
          capMs: Type.Optional(Type.Integer({ minimum: 0, maximum: 86_400_000 })),
        },
        { additionalProperties: false },
      ),
    ),
    timeoutMs: Type.Optional(Type.Integer({ minimum: 1, maximum: limits.timeout.max })),
    priority: Type.Optional(Priority),
    delayMs: Type.Optional(
      Type.Integer({ minimum: 0, maximum: limits.delay, description: 'Not before so many ms from now.' }),
    ),
    runAt: Type.Optional(
      Type.String({
        format: 'date-time',
        maxLength: 64,
        description: 'Not before this time (RFC 3339), instead of delayMs; a past one means at once.',
      }),
    ),
    concurrencyKey: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: limits.key,
        description: 'Of the jobs of one type and key at most maxConcurrency run at a time.',
      }),
    ),
    maxConcurrency: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: limits.places,
        description: '1 by default; needs a concurrencyKey. The latest submit’s number holds for the key.',
      }),
    ),
    labels: Type.Optional(Labels),
  },
  { $id: 'SubmitJob', additionalProperties: false },
);
export type SubmitJob = Static<typeof SubmitJob>;

export const SubmitBatch = Type.Object(
  { jobs: Type.Array(SubmitJob, { minItems: 1, maxItems: limits.batch }) },
  { $id: 'SubmitBatch', additionalProperties: false },
);

export const SubmittedBatch = Type.Object({
  jobs: Type.Array(Job, { description: 'In the order of the request.' }),
});

export const JobList = Type.Object({
  jobs: Type.Array(Job),
  nextCursor: Type.Union([Type.String(), Type.Null()]),
});
export type JobList = Static<typeof JobList>;
