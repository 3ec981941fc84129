/**
 * HTTP on a socket, for load generators: a client library would take more of the machine than the servers that are
 * measured on it.
 */
import { connect } from 'node:net';

const endOfHead = Buffer.from('\r\n\r\n');

/** The head of a POST of this JSON body. */
export function postHead(address, body) {
  return Buffer.from(
    `POST ${address.pathname} HTTP/1.1\r\nhost: ${address.host}\r\n` +
      `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`,
  );
}

/** One kept connection, one request at a time. */
export class Connection {
  #socket;
  #parts = [];
  #length = 0;
  #answered;

  constructor({ hostname, port }) {
    this.#socket = connect({ host: hostname, port: Number(port), noDelay: true });
    this.#socket.on('data', (part) => this.#read(part));
    this.#socket.on('error', (error) => this.#answered?.reject(error));
    this.#socket.on('close', () => this.#answered?.reject(new Error('the server closed a connection')));
  }

  post(head, body) {
    return new Promise((resolve, reject) => {
      this.#answered = { resolve, reject };
      this.#socket.cork();
      this.#socket.write(head);
      this.#socket.write(body);
      this.#socket.uncork();
    });
  }

  close() {
    this.#answered = undefined;
    this.#socket.destroy();
  }

  #read(part) {
    this.#parts.push(part);
    this.#length += part.length;
    const bytes = this.#parts.length === 1 ? part : Buffer.concat(this.#parts);
    const end = bytes.indexOf(endOfHead);
    if (end < 0) return;
    const head = bytes.latin1Slice(0, end);
    const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
    if (length === undefined) return this.#answered.reject(new Error(`an answer without length: ${head}`));
    if (this.#length < end + 4 + Number(length)) return;
    const { resolve } = this.#answered;
    this.#parts = [];
    this.#length = 0;
    resolve({ status: Number(head.slice(9, 12)), text: bytes.toString('utf8', end + 4) });
  }
}
