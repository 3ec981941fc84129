/** Answers to what never became a request, or stopped being one: written to the connection, which ends with it. */
import { maxHeaderSize, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Problem } from '../contract/problem.js';
import { errorCatalogue, type ErrorCode } from '../jobs/errors.js';
import { securityHeaders } from './security-headers.js';

type RawCode = Extract<ErrorCode, 'slow-client' | 'headers-too-large' | 'invalid-request'>;

const details: Readonly<Record<RawCode, string>> = {
  'slow-client': 'the request did not arrive in time',
  'headers-too-large': `the head of the request has more than ${maxHeaderSize} bytes`,
  'invalid-request': 'this is not HTTP as RFC 9112 has it',
};

/** Tells the client, where it still listens, and ends the connection. */
export function refuseRaw(socket: Socket, code: RawCode): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const { status, title } = errorCatalogue[code];
  const problem: Omit<Problem, 'requestId'> = {
    type: `urn:dray:error:${code}`,
    title,
    status,
    code,
    detail: details[code],
  };
  const body = JSON.stringify(problem);
  const headers = {
    ...securityHeaders,
    'content-type': 'application/problem+json',
    'content-length': Buffer.byteLength(body),
    connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`);
  // Not `end`: a client that does not read, or never closes, must not keep the connection.
  socket.destroySoon();
}

/** For node's `clientError`: a head that is too long, too slow, or none. */
export function refuseClientError(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') refuseRaw(socket, 'slow-client');
  else refuseRaw(socket, error.code === 'HPE_HEADER_OVERFLOW' ? 'headers-too-large' : 'invalid-request');
}
