/** A matmul job as matrix service B shows it: four statuses, and names in snake case. */
import { Type, type Static } from 'typebox';
import type { Job } from '../engine/engine.js';
import type { Status } from '../jobs/life-cycle.js';
import { inDoorWords } from './fastapi-errors.js';

const Moment = Type.String({ format: 'date-time' });

export const Multiplication = Type.Object({
  id: Type.String({ format: 'uuid' }),
  status: Type.Union([
    Type.Literal('pending'),
    Type.Literal('in-progress'),
    Type.Literal('completed'),
    Type.Literal('failed'),
  ]),
  attempts: Type.Integer({ description: 'Runs started so far.' }),
  max_attempts: Type.Integer(),
  created_at: Moment,
  started_at: Type.Optional(Moment),
  finished_at: Type.Optional(Moment),
  retry_at: Type.Optional(
    Type.String({ format: 'date-time', description: 'When a failed run is tried again.' }),
  ),
  worker: Type.Optional(Type.String()),
  progress: Type.Optional(Type.Number({ minimum: 0, maximum: 1 })),
  error: Type.Optional(Type.Object({ code: Type.String(), message: Type.String() })),
  rows: Type.Optional(Type.Integer({ description: 'Of the product.' })),
  cols: Type.Optional(Type.Integer({ description: 'Of the product.' })),
  simulated: Type.Optional(Type.Literal(true, { description: 'Nothing was multiplied.' })),
  note: Type.Optional(Type.String({ description: 'Why there is no result here.' })),
  result_url: Type.Optional(Type.String()),
  result: Type.Union([Type.Array(Type.Array(Type.Number())), Type.Null()], {
    description: 'The product, where it is small; a larger one is at result_url.',
  }),
});
export type Multiplication = Static<typeof Multiplication>;

const shown: Readonly<Record<Status, Multiplication['status']>> = {
  scheduled: 'pending', // waits for its retry
  pending: 'pending',
  'in-progress': 'in-progress',
  completed: 'completed',
  failed: 'failed',
  cancelled: 'failed',
};

export function multiplicationUrl(id: string): string {
  return `/matrix_multiplication/${id}`;
}

/** All but what is known only from the result. */
export function viewMultiplication(job: Job): Omit<Multiplication, 'result'> {
  const { id, status, runAt, startedAt, finishedAt, worker, progress } = job;
  const error = errorOf(job);
  return {
    id,
    status: shown[status],
    attempts: job.attempt,
    max_attempts: job.maxAttempts,
    created_at: iso(job.createdAt),
    ...(startedAt === undefined ? {} : { started_at: iso(startedAt) }),
    ...(finishedAt === undefined ? {} : { finished_at: iso(finishedAt) }),
    ...(status === 'scheduled' && runAt !== undefined ? { retry_at: iso(runAt) } : {}),
    ...(worker === undefined ? {} : { worker }),
    ...(status === 'in-progress' && progress !== undefined ? { progress: progress.fraction } : {}),
    ...(error === undefined ? {} : { error }),
    ...(status === 'completed' ? { result_url: `${multiplicationUrl(id)}/result` } : {}),
  };
}

/** Those who know four statuses learn from the error that a job did not fail by itself. */
function errorOf({ status, error }: Job): Multiplication['error'] {
  if (status === 'cancelled') return { code: 'cancelled', message: 'the job was cancelled' };
  return error && { code: error.code, message: inDoorWords(error.message) };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
