/** /v1/jobs: submit, read, wait, list, cancel, re-drive, fetch the result. */
import type { IncomingMessage } from 'node:http';
import { Type } from 'typebox';
import {
  Job,
  JobId,
  JobList,
  JobStatus,
  SubmitBatch,
  SubmitJob,
  SubmittedBatch,
} from '../../contract/job.js';
import { Problem } from '../../contract/problem.js';
import type { Job as EngineJob, JobFilter, Outcome } from '../../engine/engine.js';
import { DrayError } from '../../jobs/errors.js';
import { parseLabel } from '../../jobs/label.js';
import { isFinal } from '../../jobs/life-cycle.js';
import { limits } from '../../jobs/limits.js';
import type { App, Dependencies } from '../dependencies.js';
import { viewJob } from '../job-view.js';
import { JobWatch, parseWait } from '../job-watch.js';
import { sendResult } from '../result.js';
import { submitBatch, submitOne } from '../submission.js';

const Wait = Type.Optional(
  Type.String({ description: 'How long to wait for the job to end, such as 30s; at most 60s.' }),
);
const Idempotency = Type.Object({
  'idempotency-key': Type.Optional(
    Type.String({
      description:
        '1–255 visible ASCII characters. The same request under the same key gives the first one’s jobs, with status 200.',
    }),
  ),
});
const ById = Type.Object({ id: JobId });
const Waiting = Type.Object({ wait: Wait }, { additionalProperties: false });
const tags = ['jobs'];
const replayed = ['idempotency-replayed', 'true'] as const;

export function jobRoutes(app: App, dependencies: Dependencies): void {
  const { engine, clock } = dependencies;
  const watch = new JobWatch(engine, clock);
  app.addHook('preClose', (done) => {
    watch.close();
    done();
  });

  app.post(
    '/v1/jobs',
    {
      schema: {
        tags,
        summary: 'Submit a job',
        description:
          'As application/json, or as multipart/form-data whose file parts (.npy) are named after members of the input and whose text part `job` holds the rest.',
        consumes: ['application/json', 'multipart/form-data'],
        querystring: Waiting,
        headers: Idempotency,
        body: SubmitJob,
        response: { 202: Job, 200: Job, '4xx': Problem },
      },
    },
    async (request, reply) => {
      const waitMs = parseWait(request.query.wait);
      const { jobs, repeated } = await submitOne(request, dependencies);
      const job = waitMs > 0 ? await waitFor(jobs[0].id, waitMs, request.raw) : jobs[0];
      if (repeated) void reply.header(...replayed);
      return reply
        .code(repeated || (waitMs > 0 && isFinal(job.status)) ? 200 : 202)
        .header('location', `/v1/jobs/${job.id}`)
        .send(viewJob(job));
    },
  );

  app.post(
    '/v1/jobs/batch',
    {
      schema: {
        tags,
        summary: 'Submit many jobs: all of them or none',
        description: 'As application/json. Large matrices are uploaded first and named as blobs.',
        headers: Idempotency,
        body: SubmitBatch,
        response: { 202: SubmittedBatch, 200: SubmittedBatch, '4xx': Problem },
      },
    },
    async (request, reply) => {
      refuseQuery(request.query);
      const { jobs, repeated } = await submitBatch(request, dependencies);
      if (repeated) void reply.header(...replayed);
      return reply.code(repeated ? 200 : 202).send({ jobs: jobs.map(viewJob) });
    },
  );

  app.get(
    '/v1/jobs',
    {
      schema: {
        tags,
        summary: 'List jobs, newest first',
        querystring: Type.Object(
          {
            status: Type.Optional(JobStatus),
            type: Type.Optional(Type.String({ maxLength: 128 })),
            label: Type.Optional(
              Type.String({ maxLength: 400, description: 'Only jobs with this label, as name=value.' }),
            ),
            limit: Type.Optional(Type.Integer({ minimum: 1, maximum: limits.listPage, default: 50 })),
            cursor: Type.Optional(
              Type.String({ maxLength: 200, description: 'nextCursor of the page before.' }),
            ),
          },
          { additionalProperties: false },
        ),
        response: { 200: JobList, '4xx': Problem },
      },
    },
    async (request) => {
      const { status, type, label, limit = 50, cursor } = request.query;
      const page = await engine.list({
        limit,
        ...(status === undefined ? {} : { status }),
        ...(type === undefined ? {} : { type }),
        ...(label === undefined ? {} : { label: labelOf(label) }),
        ...(cursor === undefined ? {} : { cursor }),
      });
      return { jobs: page.jobs.map(viewJob), nextCursor: page.nextCursor ?? null };
    },
  );

  app.get(
    '/v1/jobs/:id',
    {
      schema: {
        tags,
        summary: 'Read a job, or wait for its end',
        params: ById,
        querystring: Waiting,
        response: { 200: Job, '4xx': Problem },
      },
    },
    async (request) => viewJob(await waitFor(request.params.id, parseWait(request.query.wait), request.raw)),
  );

  app.get(
    '/v1/jobs/:id/result',
    {
      schema: {
        tags,
        summary: 'Fetch the result',
        description: 'In the form that Accept asks for; a .npy result can be fetched in ranges.',
        params: ById,
        response: { '4xx': Problem },
      },
    },
    async (request, reply) => sendResult(await find(request.params.id), request, reply, dependencies),
  );

  app.post(
    '/v1/jobs/:id/cancel',
    { schema: { tags, summary: 'Cancel a job', params: ById, response: { 200: Job, '4xx': Problem } } },
    async (request) => changed(request.params.id, await engine.cancel(request.params), 'cancelled'),
  );

  app.post(
    '/v1/jobs/:id/redrive',
    {
      schema: {
        tags,
        summary: 'Run a failed job again',
        params: ById,
        response: { 200: Job, '4xx': Problem },
      },
    },
    async (request) => changed(request.params.id, await engine.redrive(request.params), 're-driven'),
  );

  async function find(id: string): Promise<EngineJob> {
    return (await engine.get({ id })) ?? missing(id);
  }

  async function waitFor(id: string, waitMs: number, { socket }: IncomingMessage): Promise<EngineJob> {
    if (waitMs === 0 || socket.destroyed) return find(id);
    const gone = new AbortController();
    const onClose = () => gone.abort();
    socket.once('close', onClose);
    try {
      return (await watch.untilFinal(id, waitMs, gone.signal)) ?? missing(id);
    } finally {
      socket.off('close', onClose);
    }
  }

  async function changed(id: string, outcome: Outcome, wanted: string): Promise<Job> {
    if (outcome === 'not-found') return missing(id);
    const job = await find(id);
    if (outcome === 'applied') return viewJob(job);
    throw new DrayError('wrong-state', `job ${id} is ${job.status} and cannot be ${wanted}`);
  }
}

function missing(id: string): never {
  throw new DrayError('job-not-found', `there is no job ${id}`);
}

/** A batch has many ends: there is none to wait for. */
function refuseQuery(query: unknown): void {
  const [name] = Object.keys(query as object);
  if (name === undefined) return;
  const why =
    name === 'wait'
      ? 'a batch is not waited for; wait for each of its jobs with GET /v1/jobs/{id}?wait=30s'
      : 'is not known here';
  const field = `querystring.${name.slice(0, 64)}`;
  throw new DrayError('invalid-request', `${field}: ${why}`, { field });
}

function labelOf(text: string): NonNullable<JobFilter['label']> {
  const label = parseLabel(text);
  if (label) return label;
  throw new DrayError('invalid-request', 'querystring.label: must be name=value, such as team=red', {
    field: 'querystring.label',
  });
}
