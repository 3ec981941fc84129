/**
 * One client's stream of server-sent events, in bounded memory however slowly it reads: while it cannot take more,
 * only the latest event of each job is kept for it, and some of what a job prints.
 */
import { Readable } from 'node:stream';
import type { OutputEvent } from '../contract/event.js';

/** So many bytes wait for the client to read before events of one job start to replace each other. */
const bufferBytes = 16_384;
/** Of so many jobs the latest event is kept then; those of more jobs are lost, and the client is told so. */
const keptJobs = 256;
/** Of what a job prints so many characters are kept then. */
const keptOutput = 65_536;

export class EventStream extends Readable {
  readonly #waiting = new Map<string, string>();
  #lost = 0;
  /** Of the one job whose output this is: events that wait, their length, and how much came after them and was left out. */
  #job = '';
  readonly #output: string[] = [];
  #outputSize = 0;
  #leftOut = 0;
  #full = false;
  #ended = false;

  constructor() {
    super({ highWaterMark: bufferBytes });
    // Something at once, so that the client has the answer's head; and when to come back after a break.
    this.#write('retry: 2000\n\n');
  }

  /** @param text a whole event, as `jobEvent` makes it. */
  send(job: string, text: string): void {
    if (this.#ended || this.destroyed) return;
    if (!this.#full) {
      this.#write(text);
      return;
    }
    this.#waiting.delete(job); // the latest goes last
    if (this.#waiting.size < keptJobs) this.#waiting.set(job, text);
    else this.#lost += 1;
  }

  /** @param text what the one job of this stream has printed. */
  sendOutput(job: string, text: string): void {
    if (this.#ended || this.destroyed) return;
    const event = outputEvent(job, text);
    this.#job = job;
    if (!this.#full) this.#write(event);
    else if (this.#leftOut > 0 || this.#outputSize + event.length > keptOutput) this.#leftOut += text.length;
    else {
      this.#output.push(event);
      this.#outputSize += event.length;
    }
  }

  /** Says that the connection lives; unneeded where events wait to be read. */
  beat(): void {
    if (!this.#full && !this.#ended && !this.destroyed) this.#write(': still here\n\n');
  }

  /** Lets the client read what waits for it, and ends. */
  finish(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#flush();
  }

  override _read(): void {
    this.#full = false;
    this.#flush();
  }

  #flush(): void {
    if (!this.#flushOutput()) return;
    for (const [job, text] of this.#waiting) {
      if (this.#full) return;
      this.#waiting.delete(job);
      this.#write(text);
    }
    if (this.#full) return;
    if (this.#lost > 0) {
      const lost = this.#lost;
      this.#lost = 0;
      this.#write(`event: lost\ndata: {"events":${lost}}\n\n`);
    }
    if (this.#ended) this.push(null);
  }

  /** Before any change of state: after the last of them nobody reads on. @returns false where the client is slow again. */
  #flushOutput(): boolean {
    for (let event = this.#output.shift(); event !== undefined; event = this.#output.shift()) {
      this.#outputSize -= event.length;
      this.#write(event);
      if (this.#full) return false;
    }
    if (this.#leftOut > 0) {
      const note = `\n[${this.#leftOut} characters were left out here: the connection is too slow]\n`;
      this.#leftOut = 0;
      this.#write(outputEvent(this.#job, note));
    }
    return !this.#full;
  }

  #write(text: string): void {
    this.#full = !this.push(text);
  }
}

/** Without an id: a client that comes back begins with the job as it is. */
function outputEvent(id: string, text: string): string {
  const data: OutputEvent = { id, text };
  return `event: output\ndata: ${JSON.stringify(data)}\n\n`;
}

/** @param id what the client sends as Last-Event-ID when it comes back. */
export function jobEvent(id: string, data: unknown): string {
  return `event: job\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`;
}
