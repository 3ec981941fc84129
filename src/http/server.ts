/** The HTTP server: plugins, error mapping and routes put together. */
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import { maxHeaderSize } from 'node:http';
import Fastify, {
  LogController,
  type FastifyBaseLogger,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify';
import type { Clock } from '../clock.js';
import { DrayError } from '../jobs/errors.js';
import { guard, refusalOf } from './access.js';
import { takeBodies } from './body.js';
import type { App, Dependencies, Door, ServerDependencies } from './dependencies.js';
import { endConnections } from './leaving.js';
import type { Metrics } from './metrics.js';
import { sendProblem } from './problems.js';
import { refuseClientError } from './raw-refusal.js';
import { logRequest, logRequests } from './request-log.js';
import { blobLinkRoutes } from './routes/blob-links.js';
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
import { validator } from './validator.js';
import { addSecurityHeaders, docsPolicy, securityHeaders } from './security-headers.js';
import { idleMs, SlowClients } from './slow-clients.js';

/** How often the heads that are on their way are looked at, in ms, where they have longer than that. */
const headLookMs = 1_000;

/** The HTTP API, with doors. Not listening yet: the caller says where. */
export function buildServer(
  dependencies: Dependencies,
  logger: FastifyBaseLogger,
  doors: readonly Door[] = [],
): Promise<App> {
  return buildServerOf(dependencies, logger, { routes: nativeRoutes, doors });
}

/** A server of other routes, with the same manners. @param parts.routes those that are no door's. */
export async function buildServerOf<D extends ServerDependencies>(
  dependencies: D,
  logger: FastifyBaseLogger,
  { routes, doors }: { routes: (app: App, dependencies: D) => void; doors: readonly Door<D>[] },
): Promise<App> {
  const { access, clock, patience } = dependencies;
  const slowClients = new SlowClients(clock, patience, logger);
  const app: App = Fastify({
    genReqId: requestIds(clock),
    requestIdHeader: 'x-request-id',
    logController: new LogController({ disableRequestLogging: true }), // request-log.ts writes the lines
    forceCloseConnections: 'idle',
    return503OnClosing: false, // what has come is answered as ever
    connectionTimeout: idleMs,
    http: {
      headersTimeout: patience.headerTimeout,
      connectionsCheckingInterval: Math.min(headLookMs, patience.headerTimeout / 4),
      requestTimeout: 0, // of a whole request: a large one may take long, as long as it moves
    },
    clientErrorHandler: (error, socket) => {
      if (slowClients.canRefuse(socket)) refuseClientError(error, socket);
      else socket.destroy();
    },
    // An id of any length reaches its route, whose own words then say that there is none.
    routerOptions: { maxParamLength: maxHeaderSize },
    frameworkErrors: (error, request, reply) => refuseUnrouted(error, request, reply),
  });
  /** For an address that cannot be decoded, and so has no route and meets no hook. */
  const refuseUnrouted = (error: Error, request: FastifyRequest, reply: FastifyReply): void => {
    void reply.headers(securityHeaders);
    void sendProblem(refusalOf(request, 'native', access) ?? error, request, reply, clock);
    observe(dependencies.metrics, 'none', request, reply);
    logRequest(logger, request, reply);
  };
  app.addHook('onClose', () => slowClients.stop());
  takeBodies(app);
  app.setValidatorCompiler(validator);
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  app.setErrorHandler((error, request, reply) => sendProblem(error, request, reply, clock));
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
  const open = (scope: App, door: Door<D>) =>
    scope.register((inner, _options, done) => {
      guard(inner, 'door', access);
      door(inner, dependencies, logger);
      done();
    });
  // Hooks reach all scopes within their own, so what is not watched has a scope beside the others, not in them.
  await app.register(async (watched) => {
    // Beside them: what is not watched answers at once, and the hook would cost it a third of its requests a second.
    endConnections(watched, dependencies.leaving);
    watched.addHook('onRequest', (request, reply, done) => {
      slowClients.watch(request.raw, reply.raw);
      done();
    });
    addSecurityHeaders(watched);
    logRequests(watched, logger);
    countRequests(watched, dependencies.metrics);
    await watched.register(async (native) => {
      guard(native, 'native', access);
      await addDocs(native, dependencies);
      routes(native, dependencies);
    });
    for (const door of doors) if (!door.unwatched) await open(watched, door);
  });
  await app.register(async (unwatched) => {
    unwatched.setGenReqId(() => '');
    for (const door of doors) if (door.unwatched) await open(unwatched, door);
  });
  app.server.maxConnections = dependencies.maxConnections;
  return app;
}

/** Unique for ever by the token of the process, and told apart by a number, which costs next to nothing. */
function requestIds(clock: Clock): () => string {
  const process = clock.token();
  let requests = 0;
  return () => `${process}-${++requests}`;
}

/** What is said of an address with nothing at it, and what there is. */
async function addDocs(app: App, { clock }: ServerDependencies): Promise<void> {
  app.setNotFoundHandler((request, reply) =>
    sendProblem(
      new DrayError('route-not-found', `there is nothing at ${request.method} ${request.url}`),
      request,
      reply,
      clock,
    ),
  );
  await app.register(swaggerUi, { routePrefix: '/docs', staticCSP: docsPolicy });
  app.get('/openapi.json', { schema: { hide: true } }, () => app.swagger());
}

function nativeRoutes(app: App, dependencies: Dependencies): void {
  jobRoutes(app, dependencies);
  bulkRoutes(app, dependencies);
  eventRoutes(app, dependencies);
  explainRoutes(app, dependencies);
  queueRoutes(app, dependencies);
  blobRoutes(app, dependencies);
  blobLinkRoutes(app, dependencies);
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
