/** One log line a request, under an id that its answer carries: the client's own, or a new one. */
import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify';
import type { App } from './dependencies.js';

/** For all routes of a scope, and of scopes in it. */
export function logRequests(scope: App, logger: FastifyBaseLogger): void {
  scope.setChildLoggerFactory(() => logger); // one made for each request would cost more than the line that it writes
  scope.addHook('onRequest', (request, reply, done) => {
    void reply.header('x-request-id', request.id);
    done();
  });
  scope.addHook('onResponse', (request, reply, done) => {
    logRequest(logger, request, reply);
    done();
  });
}

/**
 * For hooks, and for requests that never reach them. What went well is told at `debug`: the metrics count it, and
 * a busy server would log little else.
 */
export function logRequest(log: FastifyBaseLogger, request: FastifyRequest, reply: FastifyReply): void {
  const well = reply.statusCode < 400;
  log[well ? 'debug' : 'info'](
    {
      reqId: request.id,
      method: request.method,
      url: request.url,
      status: reply.statusCode,
      ms: Math.round(reply.elapsedTime * 10) / 10,
    },
    'request',
  );
}
