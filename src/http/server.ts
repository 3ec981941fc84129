/** The HTTP server: plugins, error mapping and routes put together. */
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import { TypeBoxValidatorCompiler } from '@fastify/type-provider-typebox';
import { maxHeaderSize } from 'node:http';
import Fastify, {
  LogController,
  type FastifyBaseLogger,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify';
import { DrayError } from '../jobs/errors.js';
import { limits } from '../jobs/limits.js';
import type { App, Dependencies, Door } from './dependencies.js';
import { refuseStrangers, strangerError } from './loopback.js';
import type { Metrics } from './metrics.js';
import { sendProblem } from './problems.js';
import { logRequest, logRequests } from './request-log.js';
import { blobRoutes } from './routes/blobs.js';
import { bulkRoutes } from './routes/bulk.js';
import { eventRoutes } from './routes/events.js';
import { explainRoutes } from './routes/explain.js';
import { jobRoutes } from './routes/jobs.js';
import { metricsRoutes } from './routes/metrics.js';
import { pageRoutes } from './routes/page.js';
import { queueRoutes } from './routes/queues.js';
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
    genReqId: () => dependencies.clock.id(),
    requestIdHeader: 'x-request-id',
    logController: new LogController({ disableRequestLogging: true }), // request-log.ts writes the lines
    forceCloseConnections: 'idle',
    connectionTimeout: idleMs,
    // An id of any length reaches its route, whose own words then say that there is none.
    routerOptions: { maxParamLength: maxHeaderSize },
    frameworkErrors: (error, request, reply) => refuseUnrouted(error, request, reply),
  });
  /** For an address that cannot be decoded, and so has no route and meets no hook. */
  const refuseUnrouted = (error: Error, request: FastifyRequest, reply: FastifyReply): void => {
    const strange = dependencies.loopbackOnly ? strangerError(request.headers) : undefined;
    void sendProblem(strange ?? error, request, reply, dependencies.clock);
    observe(dependencies.metrics, 'none', request, reply);
    logRequest(logger.child({ reqId: request.id }), request, reply);
  };
  // Bodies are streams that their routes read in bounded memory; only the other parts are checked beforehand.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
  app.setValidatorCompiler((route) =>
    route.httpPart === 'body' ? () => true : TypeBoxValidatorCompiler(route),
  );
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  app.setErrorHandler((error, request, reply) => sendProblem(error, request, reply, dependencies.clock));
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
  const open = (scope: App, door: Door) =>
    scope.register((inner, _options, done) => {
      door(inner, dependencies, logger);
      done();
    });
  // Hooks reach all scopes within their own, so what is not watched has a scope beside the others, not in them.
  await app.register(async (watched) => {
    logRequests(watched, logger);
    countRequests(watched, dependencies.metrics);
    if (dependencies.loopbackOnly) refuseStrangers(watched);
    await nativeRoutes(watched, dependencies);
    for (const door of doors) if (!door.unwatched) await open(watched, door);
  });
  await app.register(async (unwatched) => {
    unwatched.setGenReqId(() => '');
    if (dependencies.loopbackOnly) refuseStrangers(unwatched);
    for (const door of doors) if (door.unwatched) await open(unwatched, door);
  });
  return app;
}

async function nativeRoutes(app: App, dependencies: Dependencies): Promise<void> {
  app.setNotFoundHandler((request, reply) =>
    sendProblem(
      new DrayError('route-not-found', `there is nothing at ${request.method} ${request.url}`),
      request,
      reply,
      dependencies.clock,
    ),
  );
  await app.register(swaggerUi, { routePrefix: '/docs' });
  app.get('/openapi.json', { schema: { hide: true } }, () => app.swagger());
  jobRoutes(app, dependencies);
  bulkRoutes(app, dependencies);
  eventRoutes(app, dependencies);
  explainRoutes(app, dependencies);
  queueRoutes(app, dependencies);
  blobRoutes(app, dependencies);
  statusRoutes(app, dependencies);
  scalingRoutes(app, dependencies);
  metricsRoutes(app, dependencies);
  pageRoutes(app);
}

function countRequests(scope: App, metrics: Metrics): void {
  scope.addHook('onResponse', (request, reply, done) => {
    observe(metrics, request.routeOptions.url ?? 'none', request, reply);
    done();
  });
}

function observe(metrics: Metrics, route: string, { method }: FastifyRequest, reply: FastifyReply): void {
  metrics.observeRequest({ method, route, status: reply.statusCode, seconds: reply.elapsedTime / 1000 });
}
