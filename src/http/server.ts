/** The HTTP server: plugins, error mapping and routes put together. */
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import { TypeBoxValidatorCompiler } from '@fastify/type-provider-typebox';
import Fastify, { LogController, type FastifyBaseLogger } from 'fastify';
import { DrayError } from '../jobs/errors.js';
import type { App, Dependencies } from './dependencies.js';
import { sendProblem } from './problems.js';
import { blobRoutes } from './routes/blobs.js';
import { jobRoutes } from './routes/jobs.js';
import { statusRoutes } from './routes/status.js';

/** Not listening yet: the caller says where. */
export async function buildServer(dependencies: Dependencies, logger: FastifyBaseLogger): Promise<App> {
  const app: App = Fastify({
    loggerInstance: logger,
    genReqId: () => dependencies.clock.id(),
    requestIdHeader: 'x-request-id',
    logController: new LogController({ disableRequestLogging: true }), // one line a request, written below
    forceCloseConnections: 'idle',
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
    done();
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
  return app;
}
