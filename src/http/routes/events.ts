/** /v1/events and /v1/jobs/{id}/events: changes as they happen, as server-sent events. */
import type { FastifyReply } from 'fastify';
import { Type } from 'typebox';
import { JobId, JobStatus } from '../../contract/job.js';
import { Problem } from '../../contract/problem.js';
import type { App, Dependencies } from '../dependencies.js';
import { EventHub } from '../event-hub.js';
import type { EventStream } from '../event-stream.js';

const tags = ['events'];

export function eventRoutes(app: App, { engine, clock }: Dependencies): void {
  const hub = new EventHub(engine, clock);
  app.addHook('preClose', (done) => {
    hub.close();
    done();
  });

  app.get(
    '/v1/events',
    {
      exposeHeadRoute: false,
      schema: {
        tags,
        summary: 'Follow all jobs',
        description:
          'Server-sent events: event "job", id "<job id>:<version>", data {"id", "type", "status", "version"}. Events are best effort: a reader that must not miss one reads the jobs again.',
        produces: ['text/event-stream'],
        querystring: Type.Object(
          { type: Type.Optional(Type.String({ maxLength: 128 })), status: Type.Optional(JobStatus) },
          { additionalProperties: false },
        ),
        response: { '4xx': Problem },
      },
    },
    async (request, reply) => send(reply, hub.watchAll(request.query)),
  );

  app.get(
    '/v1/jobs/:id/events',
    {
      exposeHeadRoute: false,
      schema: {
        tags,
        summary: 'Follow a job to its end',
        description:
          'Server-sent events: event "job", id "<version>". The first one is the job as it is, the last one its final state, after which the stream ends. What the job prints meanwhile comes as event "output", without an id, data {"id", "text"}; it is kept nowhere, and a reader that is too slow for it is told how much it missed. With the final state’s id as Last-Event-ID the answer is 204.',
        produces: ['text/event-stream'],
        params: Type.Object({ id: JobId }),
        response: { '4xx': Problem },
      },
    },
    async (request, reply) => {
      const last = request.headers['last-event-id'];
      const stream = await hub.watchJob(request.params.id, typeof last === 'string' ? last : undefined);
      if (stream !== 'final' && request.raw.socket.destroyed) stream.destroy(); // gone while the store was asked
      return send(reply, stream);
    },
  );
}

function send(reply: FastifyReply, stream: EventStream | 'final'): FastifyReply {
  // To an EventSource, which would come back after every end, 204 says that there is nothing more.
  if (stream === 'final') return reply.code(204).send();
  return reply.type('text/event-stream').send(stream);
}
