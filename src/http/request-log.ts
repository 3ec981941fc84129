/** One log line a request, under an id that its answer carries: the client's own, or a new one. */
import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify';
import type { App } from './dependencies.js';

/** For all routes of a scope, and of scopes in it. */
export function logRequests(scope: App, logger: FastifyBaseLogger): void {
  scope.setChildLoggerFactory((_none, bindings, options) => logger.child(bindings, options));
  scope.addHook('onRequest', (request, reply, done) => {
    void reply.header('x-request-id', request.id);
    done();
  });
  scope.addHook('onResponse', (request, reply, done) => {
    logRequest(request.log, request, reply);
    done();
  });
}

/** For hooks, and for requests that never reach them. */
export function logRequest(log: FastifyBaseLogger, request: FastifyRequest, reply: FastifyReply): void {
  log.info(
    {
      method: request.method,
      url: request.url,
      status: reply.statusCode,
      ms: Math.round(reply.elapsedTime * 10) / 10,
    },
    'request',
  );
}
