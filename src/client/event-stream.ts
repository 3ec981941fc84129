/** Server-sent events: reading the stream, and coming back to it where it breaks. */
import type { JobEvent, OutputEvent } from '../contract/event.js';
import { unexpectedAnswer, type ClientError } from './error.js';
import type { Patience } from './retry.js';
import type { Call, Connection } from './transport.js';

export interface ServerEvent {
  /** Empty where the block carried no data, only an id or a time to come back after. */
  readonly data: string;
  readonly name: string;
  /** The last one sent so far. */
  readonly id: string | undefined;
  /** After how many ms to come back, where the block says so. */
  readonly retryMs?: number;
}

/** Characters of one block; a stream that goes beyond is none of ours. */
const longestBlock = 1 << 20;

/** The blocks of a text/event-stream. @throws RangeError where one is too long. */
export async function* parseEvents(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<ServerEvent, void, undefined> {
  const decoder = new TextDecoder();
  let rest = '';
  let length = 0;
  let id: string | undefined;
  let block: { name: string; data: string[]; retryMs?: number } = { name: 'message', data: [] };
  for await (const chunk of chunks) {
    rest += decoder.decode(chunk, { stream: true });
    // A carriage return at the very end may be the first half of a line's end.
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop()!;
    for (const line of lines) {
      if (line === '') {
        const { name, data, ...more } = block;
        if (data.length > 0 || more.retryMs !== undefined) yield { name, data: data.join('\n'), id, ...more };
        block = { name: 'message', data: [] };
        length = 0;
        continue;
      }
      length += line.length;
      const colon = line.indexOf(':');
      const field = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
      if (field === 'event') block.name = value;
      else if (field === 'data') block.data.push(value);
      else if (field === 'id' && !value.includes('\0')) id = value;
      else if (field === 'retry' && /^\d{1,9}$/.test(value)) block.retryMs = Number(value);
    }
    if (rest.length + length > longestBlock) throw new RangeError('an event is longer than 1 MiB');
  }
}

/**
 * Job events from a stream that is opened again, with Last-Event-ID, wherever it breaks or ends; until the server
 * says that there is nothing more.
 *
 * @param params.onGap told where events were, or may have been, missed.
 * @param params.onOutput told what the one job prints.
 * @throws ClientError; the signal's reason when aborted.
 */
export async function* follow(params: {
  connection: Connection;
  call: Call;
  patience: Patience;
  sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  onGap: () => void;
  onOutput: (output: OutputEvent) => void;
}): AsyncGenerator<JobEvent, void, undefined> {
  const { connection, patience, sleep, onGap, onOutput } = params;
  const { signal } = params.call;
  let lastId: string | undefined;
  let retryMs = 1_000;
  const foreign = (): ClientError => unexpectedAnswer(connection.baseUrl, 200, 'is no stream of events');
  for (let opened = false; ;) {
    try {
      const answer = await connection.open({
        ...params.call,
        accept: 'text/event-stream',
        headers: lastId === undefined ? {} : { 'last-event-id': lastId },
      });
      const isStream = answer.headers['content-type']?.startsWith('text/event-stream') === true;
      if (answer.status === 204 || !isStream) {
        answer.discard();
        if (answer.status === 204) return;
        throw foreign();
      }
      patience.restore();
      if (opened) onGap();
      opened = true;
      for await (const event of parseEvents(answer.chunks())) {
        lastId = event.id ?? lastId;
        retryMs = event.retryMs ?? retryMs;
        if (event.name === 'lost') onGap();
        if (event.name === 'output') onOutput(JSON.parse(event.data) as OutputEvent);
        if (event.name === 'job') yield JSON.parse(event.data) as JobEvent;
      }
    } catch (error) {
      const unreadable = error instanceof SyntaxError || error instanceof RangeError;
      await patience.after(unreadable ? foreign() : error, signal);
      continue;
    }
    await sleep(retryMs, signal); // the server ended it, as it does when it stops
  }
}
