/** MSTC's cloud worker over HTTP: `POST /processRequest` answers when the container has ended, or at once where asked. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import type { Clock } from '../../clock.js';
import type { Job } from '../../engine/engine.js';
import type { App, Dependencies } from '../../http/dependencies.js';
import { JobWatch } from '../../http/job-watch.js';
import { prepareRefusal } from '../../http/problems.js';
import { idleMs } from '../../http/slow-clients.js';
import { submitOnceFrom } from '../../http/submission.js';
import { DrayError } from '../../jobs/errors.js';
import { isFinal } from '../../jobs/life-cycle.js';
import { containerType } from '../../tasks/container/index.js';
import { findJob } from '../find-job.js';
import { readAsJson } from '../json-body.js';
import { Accepted, acceptedOf, Reply, replyOf } from './reply.js';
import { inMstcWords, jobFrom, readMembers, requestLimit } from './request.js';

const path = '/processRequest';
/** How often the system asks whether a client that waits is still there, in ms. */
const keepAliveMs = 30_000;
/** Until a store that was away is asked again for a job that is waited for, in ms. */
const againMs = 1_000;

const tags = ['MSTC cloud worker'];
const Url = Type.String({ description: 'Of a bucket, such as http://host:9000/bucket.' });
const Body = Type.Object(
  {
    image: Type.String(),
    jobName: Type.String(),
    timeOut: Type.Optional(Type.Number({ minimum: 0, description: 'Minutes; absent or 0: 15.' })),
    inputBucketUrl: Url,
    outputBucketUrl: Type.Optional(Url),
  },
  { description: 'Other members are passed over.' },
);
const Stopping = Type.Object({ error: Type.String(), id: Type.String(), url: Type.String() });
const Refusal = Type.Object({ error: Type.String(), field: Type.Optional(Type.String()) });

export function mstcWorker(app: App, dependencies: Dependencies): void {
  const { engine, blobs, clock } = dependencies;
  const bounded = { ...dependencies, bodyLimit: Math.min(requestLimit, dependencies.bodyLimit) };
  const watch = new JobWatch(engine, clock);
  const stopping = new AbortController();
  app.addHook('preClose', (done) => {
    stopping.abort();
    watch.close();
    done();
  });
  app.setErrorHandler((error, request, reply) => sendRefusal(error, request, reply, clock));
  readAsJson(app, { refuseMultipart: true });

  // With and without the trailing slash are routes of their own: a redirect would cost many clients their body.
  for (const slash of ['', '/']) {
    const hide = slash !== '';
    app.post(
      path + slash,
      {
        schema: {
          hide,
          tags,
          summary: 'Run a container between two buckets, and answer when it has ended',
          headers: Type.Object({
            prefer: Type.Optional(Type.String({ description: 'respond-async: answer at once, with 202.' })),
            'idempotency-key': Type.Optional(
              Type.String({ description: 'A request that is sent again under its key starts nothing new.' }),
            ),
          }),
          body: Body,
          response: { 200: Reply, 202: Accepted, 503: Stopping, '4xx': Refusal },
        },
      },
      async (request, reply) => {
        const { jobs, repeated } = await submitOnceFrom(request, bounded, async (body) =>
          jobFrom(await readMembers(body)),
        );
        const [submitted] = jobs;
        void reply.header('location', `${path}/${submitted.id}`);
        if (repeated) void reply.header('idempotency-replayed', 'true');
        if (prefersAsync(request)) {
          return reply
            .code(202)
            .header('preference-applied', 'respond-async')
            .send(await acceptedOf(submitted, blobs));
        }
        const job = await untilEnded(submitted.id, request);
        if (isFinal(job.status)) return reply.send(await replyOf(job, blobs));
        const accepted = await acceptedOf(job, blobs);
        if (!stopping.signal.aborted) return reply.code(202).send(accepted); // the client is gone
        const { id, url } = accepted;
        const error = `the server is stopping; the job goes on, and ${url} will have its reply`;
        return reply.code(503).header('retry-after', 5).send({ error, id, url });
      },
    );

    app.get(
      `${path}/:id${slash}`,
      {
        schema: {
          hide,
          tags,
          summary: 'Read the reply of a container job, or how far it is',
          params: Type.Object({ id: Type.String({ description: 'A UUID.' }) }),
          response: { 200: Type.Union([Reply, Accepted]), '4xx': Refusal },
        },
      },
      async (request) => {
        const job = await findJob(engine, { id: request.params.id, type: containerType }, 'container job');
        return isFinal(job.status) ? replyOf(job, blobs) : acceptedOf(job, blobs);
      },
    );
  }

  /** The job when it has ended, the client is gone, or the server stops: there is no limit but the job's own. */
  async function untilEnded(id: string, { raw: { socket } }: FastifyRequest): Promise<Job> {
    const gone = new AbortController();
    const onClose = () => gone.abort();
    socket.once('close', onClose);
    // Nothing moves on the connection meanwhile, and that is not the client's fault.
    socket.setTimeout(0);
    socket.setKeepAlive(true, keepAliveMs);
    const over = AbortSignal.any([gone.signal, stopping.signal]);
    try {
      if (socket.destroyed) gone.abort();
      for (;;) {
        try {
          const job = await watch.untilFinal(id, Infinity, over);
          if (job) return job;
          throw new DrayError('job-not-found', `the job ${id} was removed`);
        } catch (error) {
          const away = error instanceof DrayError && error.code === 'unavailable';
          if (!away || over.aborted) throw error;
          await clock.sleep(againMs, over).catch(() => undefined);
        }
      }
    } finally {
      socket.off('close', onClose);
      socket.setTimeout(idleMs);
    }
  }
}

/** RFC 7240: a list of preferences, each maybe with parameters. */
function prefersAsync({ headers }: FastifyRequest): boolean {
  const preferences = [headers['prefer'] ?? []].flat().join(',');
  return preferences.split(',').some((one) => /^\s*respond-async\s*(?:;|$)/i.test(one));
}

function sendRefusal(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  clock: Clock,
): FastifyReply {
  const { known, detail } = prepareRefusal(error, request, reply, clock);
  const { message, field } = inMstcWords(known);
  const refusal = {
    error: known.code === 'internal' ? detail : message,
    ...(field === undefined ? {} : { field }),
  };
  return reply.type('application/json').send(JSON.stringify(refusal));
}
