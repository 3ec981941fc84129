/**
 * What a client may take its time for. Node itself bounds the wait for a request's head (`headersTimeout`), and ends
 * connections on which nothing moves; here are the two that it lets pass: bodies that trickle, and answers that
 * nobody reads.
 */
import type { FastifyBaseLogger } from 'fastify';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { CancelTimer, Clock } from '../clock.js';
import { KiB, limits } from '../jobs/limits.js';
import { refuseRaw } from './raw-refusal.js';

/** All in ms, from the options of the same names. */
export interface Patience {
  readonly headerTimeout: number;
  readonly bodyTimeout: number;
  readonly answerTimeout: number;
}

/** A connection on which nothing moves for this long is cut, in ms; above the longest wait for a job. */
export const idleMs = 2 * limits.wait;
/** What a client must send of a body, in bytes a ms: on average, over the `bodyTimeout`. */
const leastRate = KiB / 1_000;
const longestLookMs = 1_000;

interface Connection {
  /** The latest on the connection: the one whose body may be on its way. */
  request: IncomingMessage;
  response: ServerResponse;
  /** `socket.bytesRead` at the last look. */
  bytesRead: number;
  /** How long the client may still send nothing at all, in ms: time takes from it, bytes add to it. */
  creditMs: number;
}

export class SlowClients {
  readonly #clock: Clock;
  readonly #patience: Patience;
  readonly #log: Pick<FastifyBaseLogger, 'info'>;
  readonly #connections = new Map<Socket, Connection>();
  readonly #everyMs: number;
  readonly #stopLooking: CancelTimer;
  #lookedAt: number;

  constructor(clock: Clock, patience: Patience, log: Pick<FastifyBaseLogger, 'info'>) {
    this.#clock = clock;
    this.#patience = patience;
    this.#log = log;
    this.#lookedAt = clock.monotonic();
    const { bodyTimeout, answerTimeout } = patience;
    this.#everyMs = Math.min(longestLookMs, bodyTimeout / 4, answerTimeout / 4);
    this.#stopLooking = clock.every(this.#everyMs, () => this.#look());
  }

  /** To be told of each request that may have a body or a large answer, as its head has arrived. */
  watch(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    const known = this.#connections.get(socket);
    if (known) {
      known.request = request;
      known.response = response;
      known.creditMs = this.#patience.bodyTimeout;
      return;
    }
    const creditMs = this.#patience.bodyTimeout;
    const { bytesRead } = socket;
    const connection = { request, response, bytesRead, creditMs };
    this.#connections.set(socket, connection);
    socket.once('timeout', () => this.#sayCut(connection, 'nothing moved'));
    socket.once('close', () => this.#connections.delete(socket));
  }

  /**
   * Whether the connection can be ended with an answer that a client takes for what it is: not for a part of one that
   * was begun, nor for the answer to an earlier request that is still worked on.
   */
  canRefuse(socket: Socket): boolean {
    const connection = this.#connections.get(socket);
    if (!connection || connection.response.writableFinished) return true;
    const { request, response } = connection;
    return !request.complete && response.socket === socket && !response.headersSent;
  }

  stop(): void {
    this.#stopLooking();
  }

  #look(): void {
    const now = this.#clock.monotonic();
    // A look that comes late does so because the server was busy, and may have kept the client waiting.
    const passedMs = Math.min(now - this.#lookedAt, 2 * this.#everyMs);
    this.#lookedAt = now;
    for (const [socket, connection] of this.#connections) {
      this.#watchAnswer(socket, connection);
      this.#watchBody(socket, connection, passedMs);
    }
  }

  #watchBody(socket: Socket, connection: Connection, passedMs: number): void {
    const { request } = connection;
    const received = socket.bytesRead - connection.bytesRead;
    connection.bytesRead = socket.bytesRead;
    const { bodyTimeout } = this.#patience;
    if (request.complete) {
      connection.creditMs = bodyTimeout;
      return;
    }
    connection.creditMs = Math.min(bodyTimeout, connection.creditMs + received / leastRate);
    // Where bytes wait to be taken it is the server that is slow: a full disk is not the client's fault.
    if (request.readableLength === 0) connection.creditMs -= passedMs;
    if (connection.creditMs > 0) return;
    this.#sayCut(connection, 'slow body');
    if (this.canRefuse(socket)) refuseRaw(socket, 'slow-client');
    else socket.destroy();
  }

  /** A request that is cut gets no answer that ends, and so has no other line in the log. */
  #sayCut({ request, response }: Connection, why: string): void {
    if (response.writableFinished) return;
    this.#log.info({ method: request.method, url: request.url, why }, 'request cut');
  }

  /** Node's idle timer sees bytes leave even within one large write, so it is what cuts the connection. */
  #watchAnswer(socket: Socket, { response }: Connection): void {
    const { answerTimeout } = this.#patience;
    const isSet = socket.timeout === answerTimeout;
    const waits = socket.writableLength > 0;
    if (waits && !isSet) socket.setTimeout(answerTimeout);
    // After the answer's last byte it is Node that sets the timer, for the time until the next request.
    if (!waits && isSet && !response.writableFinished) socket.setTimeout(idleMs);
  }
}
