/**
 * The door of the start/end jobs: `POST /jobs` with `{"start", "end"}`, `GET /jobs` and `GET /jobs/{id}`, all in
 * the shape of the service that its clients know. Its errors are `{"status": "Error", "message"}`.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type, type Static } from 'typebox';
import type { Clock } from '../clock.js';
import type { SubmitJob } from '../contract/job.js';
import type { Job } from '../engine/engine.js';
import type { App, Dependencies } from '../http/dependencies.js';
import { prepareRefusal } from '../http/problems.js';
import { bodyOf } from '../http/body.js';
import { submitFrom } from '../http/submission.js';
import { DrayError } from '../jobs/errors.js';
import type { Status } from '../jobs/life-cycle.js';
import { KiB, limits } from '../jobs/limits.js';
import { ObjectSink } from '../json/object.js';
import { RawValueSink } from '../json/raw.js';
import { readJson } from '../json/read.js';
import { longestText, startEndType, type StartEndInput, type StartEndOutput } from '../tasks/start-end.js';
import { findJob } from './find-job.js';
import { readAsJson } from './json-body.js';

const bodyLimit = 64 * KiB;

const shown = {
  scheduled: 'submitted', // waits for its retry
  pending: 'submitted',
  'in-progress': 'in progress',
  completed: 'complete',
  failed: 'failed',
  cancelled: 'cancelled',
} as const satisfies Record<Status, string>;

const tags = ['start/end jobs'];
const Text = Type.String({ maxLength: longestText });
const Body = Type.Object({ start: Text, end: Text }, { additionalProperties: false });
const StartEndJob = Type.Object({
  status: Type.Unsafe<(typeof shown)[Status]>({ type: 'string', enum: [...new Set(Object.values(shown))] }),
  start: Text,
  end: Text,
  id: Type.String({ format: 'uuid' }),
  worker: Type.Optional(Type.String({ description: 'The address of the worker that ran the job.' })),
});
type StartEndJob = Static<typeof StartEndJob>;
const Failure = Type.Object({ status: Type.Literal('Error'), message: Type.String() });
type Failure = Static<typeof Failure>;

export function startEndJobs(app: App, dependencies: Dependencies): void {
  const { engine, clock } = dependencies;
  const bounded = { ...dependencies, bodyLimit: Math.min(bodyLimit, dependencies.bodyLimit) };
  app.setErrorHandler((error, request, reply) => sendFailure(error, request, reply, clock));
  readAsJson(app);

  // With and without the trailing slash are routes of their own: a redirect would cost many clients their body.
  for (const slash of ['', '/']) {
    const hide = slash !== '';
    app.post(
      `/jobs${slash}`,
      {
        schema: {
          hide,
          tags,
          summary: 'Queue a start/end job',
          body: Body,
          response: { 200: StartEndJob, '4xx': Failure },
        },
      },
      async (request) => view(await submitFrom(request, bounded, readBody)),
    );

    app.get(
      `/jobs${slash}`,
      {
        schema: {
          hide,
          tags,
          summary: 'List start/end jobs, newest first',
          description: 'Where there are more, the header Link names the next page.',
          querystring: Type.Object({ cursor: Type.Optional(Type.String({ maxLength: 200 })) }),
          response: { 200: Type.Array(StartEndJob), '4xx': Failure },
        },
      },
      async (request, reply) => {
        const { cursor } = request.query;
        const { jobs, nextCursor } = await engine.list({
          type: startEndType,
          limit: limits.listPage,
          ...(cursor === undefined ? {} : { cursor }),
        });
        if (nextCursor !== undefined) {
          void reply.header('link', `</jobs?cursor=${encodeURIComponent(nextCursor)}>; rel="next"`);
        }
        return jobs.map(view);
      },
    );

    app.get(
      `/jobs/:id${slash}`,
      {
        schema: {
          hide,
          tags,
          summary: 'Read a start/end job',
          params: Type.Object({ id: Type.String({ description: 'A UUID.' }) }),
          response: { 200: StartEndJob, '4xx': Failure },
        },
      },
      async (request) => view(await findJob(engine, { id: request.params.id, type: startEndType }, 'job')),
    );
  }
}

async function readBody(request: FastifyRequest, context: { bodyLimit: number }): Promise<SubmitJob> {
  const members = new ObjectSink((field) => {
    if (field === 'start' || field === 'end') return new RawValueSink({ field });
    throw new DrayError('invalid-request', `${field.slice(0, 64)}: not known here, only start and end are`);
  });
  const input = (await readJson(bodyOf(request), members, { limit: context.bodyLimit })) as object;
  for (const field of ['start', 'end'] as const) {
    const value = (input as Partial<Record<string, unknown>>)[field];
    if (typeof value === 'string') continue;
    throw new DrayError(
      'invalid-request',
      `${field}: ${value === undefined ? 'missing; ' : ''}must be a string`,
    );
  }
  return { type: startEndType, input }; // admission checks the lengths
}

/** Its members are in the order in which the clients have always got them. */
function view(job: Job): StartEndJob {
  // Neither is ever a blob: admission keeps the input small, and an address is.
  const { start, end } = (job.input as { inline: StartEndInput }).inline;
  const output = job.result as { inline: StartEndOutput } | undefined;
  return {
    status: shown[job.status],
    start,
    end,
    id: job.id,
    ...(output === undefined ? {} : { worker: output.inline.worker }),
  };
}

/** What these clients read of a job that has ended in their own database: `HGETALL job.<id>`. */
export function startEndEntry(job: Job): { key: string; fields: Record<string, string> } {
  return { key: `job.${job.id}`, fields: view(job) };
}

function sendFailure(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  clock: Clock,
): FastifyReply {
  const { known, detail } = prepareRefusal(error, request, reply, clock);
  // Texts of the admission are about `input.start`: here that is `start`.
  const message = known.code === 'invalid-json' ? `Invalid JSON: ${detail}` : detail.replace(/^input\./, '');
  const failure: Failure = { status: 'Error', message };
  return reply.type('application/json').send(JSON.stringify(failure));
}
