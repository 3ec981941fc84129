/** The HTTP server: plugins, error mapping and routes put together. */
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import { TypeBoxValidatorCompiler } from '@fastify/type-provider-typebox';
import type { IncomingHttpHeaders } from 'node:http';
import Fastify, { LogController, type FastifyBaseLogger } from 'fastify';
import { DrayError } from '../jobs/errors.js';
import { limits } from '../jobs/limits.js';
import type { App, Dependencies, Door } from './dependencies.js';
import { sendProblem } from './problems.js';
import { blobRoutes } from './routes/blobs.js';
import { jobRoutes } from './routes/jobs.js';
import { metricsRoutes } from './routes/metrics.js';
import { scalingRoutes } from './routes/scaling.js';
import { statusRoutes } from './routes/status.js';

/** A connection on which nothing moves for this long is cut, in ms; above the longest wait. */
const idleMs = 2 * limits.wait;

/** Not listening yet: the caller says where. */
export async function buildServer(
  dependencies: Dependencies,
  logger: FastifyBaseLogger,
  doors: readonly Door[] = [],
): Promise<App> {
  const app: App = Fastify({
    loggerInstance: logger,
    genReqId: () => dependencies.clock.id(),
    requestIdHeader: 'x-request-id',
    logController: new LogController({ disableRequestLogging: true }), // one line a request, written below
    forceCloseConnections: 'idle',
    connectionTimeout: idleMs,
    frameworkErrors: (error, request, reply) => void sendProblem(error, request, reply, dependencies.clock),
  });
  // Bodies are streams that their routes read in bounded memory; only the other parts are checked beforehand.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
  app.setValidatorCompiler((route) =>
    route.httpPart === 'body' ? () => true : TypeBoxValidatorCompiler(route),
  );
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  app.setErrorHandler((error, request, reply) => sendProblem(error, request, reply, dependencies.clock));
  app.setNotFoundHandler((request, reply) =>
    sendProblem(
      new DrayError('route-not-found', `there is nothing at ${request.method} ${request.url}`),
      request,
      reply,
      dependencies.clock,
    ),
  );
  app.addHook('onRequest', (request, reply, done) => {
    void reply.header('x-request-id', request.id);
    done(dependencies.loopbackOnly ? strangerError(request.headers) : undefined);
  });
  app.addHook('onResponse', (request, reply, done) => {
    request.log.info(
      {
        method: request.method,
        url: request.url,
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime * 10) / 10,
      },
      'request',
    );
    done();
  });

  await app.register(swagger, {
    openapi: {
      info: {
        title: 'Dray',
        description: 'Heavy compute behind a durable queue.',
        version: dependencies.version,
      },
    },
    refResolver: {
      buildLocalReference: (json, _base, _fragment, i) =>
        typeof json['$id'] === 'string' ? json['$id'] : `schema-${i}`,
    },
  });
  await app.register(swaggerUi, { routePrefix: '/docs' });
  app.get('/openapi.json', { schema: { hide: true } }, () => app.swagger());
  jobRoutes(app, dependencies);
  blobRoutes(app, dependencies);
  statusRoutes(app, dependencies);
  scalingRoutes(app, dependencies);
  metricsRoutes(app, dependencies);
  for (const door of doors) {
    await app.register((scope, _options, done) => {
      door(scope, dependencies);
      done();
    });
  }
  return app;
}

const loopbackName = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/i;

/**
 * A server without keys on a loopback address must still not serve web pages of elsewhere: a page may have a
 * name that resolves to loopback (DNS rebinding), or post across sites.
 */
function strangerError({ host, origin }: IncomingHttpHeaders): DrayError | undefined {
  const strange =
    host !== undefined && !loopbackName.test(host)
      ? `host ${host}`
      : origin !== undefined && !loopbackName.test(origin.replace(/^https?:\/\//, ''))
        ? `origin ${origin}`
        : undefined;
  return strange === undefined
    ? undefined
    : new DrayError('stranger', `${strange.slice(0, 200)} is not this machine; only loopback is served`);
}
