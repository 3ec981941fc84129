/**
 * The door of Celsiusify: `GET /convert/?fahrenheit=451.0`, answered as by the FastAPI service that its clients
 * know. Synchronous, no job. It is called tens of thousands of times a second, so an answer costs as little as
 * it can: no log line, no id, and its text is put together by hand.
 */
import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import type { App, Dependencies, Door } from '../../http/dependencies.js';
import { discardRest, prepareRefusal } from '../../http/problems.js';
import { securityHeaders } from '../../http/security-headers.js';
import { celsiusOf, lastValue, parseNumber } from './fahrenheit.js';
import { fixed6 } from './fixed-point.js';
import { appIdentifier } from './identifier.js';
import { Refusal, refusalOf } from './refusal.js';

const route = '/convert/';
const parameter = 'fahrenheit';
/** Names and values in turn; the value of the last one is missing. */
const headers = [
  ...Object.entries({ ...securityHeaders, 'content-type': 'application/json' }).flat(),
  'content-length',
];
const otherMethods = ['HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE'] as const;

// What is a number is this door's own rule, so this is for the documentation, and nothing is held against it.
const Query = Type.Object({ fahrenheit: Type.Unsafe<string | string[] | undefined>(Type.Number()) });
const Celsius = Type.Object({
  celsius: Type.String({ description: 'Degrees, with six decimals.' }),
  app_identifier: Type.String({ description: 'Of this process: made when it started.' }),
});

export const celsiusify: Door = Object.assign(addConversion, { unwatched: true });

function addConversion(app: App, { clock, metrics }: Dependencies, logger: FastifyBaseLogger): void {
  const end = `","app_identifier":"${appIdentifier(clock)}"}`;

  /** @param since when its handler began: all that takes time here happens in the handlers. */
  const count = ({ request }: FastifyReply, status: number, since: number): void =>
    metrics.observeRequest({
      method: request.method,
      route,
      status,
      seconds: (clock.monotonic() - since) / 1000,
    });
  /** Written past fastify, whose way from here to the socket takes longer than everything else that is done. */
  const answer = (reply: FastifyReply, fahrenheit: number, since: number): void => {
    const body = `{"celsius":"${fixed6(celsiusOf(fahrenheit))}${end}`;
    reply.hijack();
    reply.raw.writeHead(200, [...headers, String(body.length)]).end(body);
    count(reply, 200, since);
  };
  const refuse = (reply: FastifyReply, status: number, refusal: unknown, since: number): void => {
    void reply.headers(securityHeaders).code(status).type('application/json').send(JSON.stringify(refusal));
    count(reply, status, since);
  };
  /** FastAPI reads repeated and badly encoded parameters in a way of its own, so they are read anew. */
  const answerOddQuery = (request: FastifyRequest, reply: FastifyReply, since: number): void => {
    const text = lastValue(request.raw.url ?? '', parameter);
    const value = text === undefined ? undefined : parseNumber(text);
    if (value !== undefined && Number.isFinite(value)) answer(reply, value, since);
    else refuse(reply, 422, refusalOf(parameter, text, value), since);
  };
  /** Nothing here reads a body, but the client may send one, and must not go on with it for ever. */
  const dropBody = ({ raw }: FastifyRequest): void => {
    const { 'content-length': length, 'transfer-encoding': encoding } = raw.headers;
    // A request without a body is not complete yet either when its handler runs.
    if (length !== undefined || encoding !== undefined) discardRest(raw, clock);
  };
  const notAllowed = (request: FastifyRequest, reply: FastifyReply): void => {
    dropBody(request);
    void reply.header('allow', 'GET');
    refuse(reply, 405, { detail: 'Method Not Allowed' }, clock.monotonic());
  };

  app.setErrorHandler((error, request, reply) => {
    const since = clock.monotonic();
    request.log = logger;
    const { known, detail } = prepareRefusal(error, request, reply, clock);
    refuse(reply, known.status, { detail }, since);
  });
  app.setValidatorCompiler(() => () => true);

  for (const url of [route, '/convert']) {
    app.get(
      url,
      {
        exposeHeadRoute: false,
        schema: {
          hide: url !== route,
          tags: ['Celsiusify'],
          summary: 'Convert degrees Fahrenheit to degrees Celsius',
          querystring: Query,
          response: { 200: Celsius, 422: Refusal },
        },
      },
      (request, reply): void => {
        const since = clock.monotonic();
        dropBody(request);
        const { fahrenheit: given } = request.query;
        const value = typeof given === 'string' ? parseNumber(given) : undefined;
        if (value !== undefined && Number.isFinite(value)) answer(reply, value, since);
        else answerOddQuery(request, reply, since);
      },
    );
    app.route({
      url,
      method: [...otherMethods],
      schema: { hide: true },
      onRequest: notAllowed, // before anything can be said about the body
      handler: notAllowed,
    });
  }
}
