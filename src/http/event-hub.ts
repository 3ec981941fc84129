/** Who listens to events, and the one place that reads the store for them, however many listen to one job. */
import type { CancelTimer, Clock } from '../clock.js';
import type { JobEvent as JobEventView } from '../contract/event.js';
import type { Engine, Job, JobEvent } from '../engine/engine.js';
import { DrayError } from '../jobs/errors.js';
import { isFinal, type Status } from '../jobs/life-cycle.js';
import { EventStream, jobEvent } from './event-stream.js';

/** Events are best effort, so a job that somebody listens to is read anew after this long, in ms. */
const rereadMs = 5_000;
const heartbeatMs = 15_000;
export const maxStreams = 2_000;

interface Topic {
  /** With what was sent to each last. */
  readonly streams: Map<EventStream, string>;
  readonly cancelTimer: CancelTimer;
  readonly stopListening: () => void;
  reading: boolean;
  /** Something happened while the job was being read. */
  again: boolean;
}

export class EventHub {
  readonly #engine: Pick<Engine, 'get' | 'listen' | 'subscribe'>;
  readonly #clock: Clock;
  readonly #topics = new Map<string, Topic>();
  readonly #streams = new Map<EventStream, ((event: JobEvent) => boolean) | undefined>();
  #stopListening: (() => void) | undefined;
  #stopBeating: CancelTimer | undefined;
  #closed = false;

  constructor(engine: Pick<Engine, 'get' | 'listen' | 'subscribe'>, clock: Clock) {
    this.#engine = engine;
    this.#clock = clock;
  }

  /** Ends all streams, and lets none begin: the server stops. */
  close(): void {
    this.#closed = true;
    for (const stream of this.#streams.keys()) stream.finish();
  }

  /** A stream of all jobs' changes of state from now on. @throws DrayError `unavailable`. */
  watchAll(filter: { type?: string; status?: Status }): EventStream {
    const { type, status } = filter;
    return this.#open(
      (event) =>
        (type === undefined || event.type === type) && (status === undefined || event.status === status),
    );
  }

  /**
   * A stream that begins with the job as it is, and ends with its final state.
   *
   * @returns `final` where the client has the final state already.
   * @throws DrayError `job-not-found`; `unavailable`.
   */
  async watchJob(id: string, lastEventId: string | undefined): Promise<EventStream | 'final'> {
    const job = await this.#engine.get({ id });
    if (!job) throw new DrayError('job-not-found', `there is no job ${id}`);
    if (isFinal(job.status) && lastEventId === String(job.version)) return 'final';
    const stream = this.#open(undefined);
    const text = textOf(job);
    stream.send(id, text);
    if (isFinal(job.status)) {
      stream.finish();
      return stream;
    }
    const topic = this.#topicOf(id);
    topic.streams.set(stream, text);
    stream.once('close', () => {
      topic.streams.delete(stream);
      if (topic.streams.size === 0) this.#forget(id, topic);
    });
    // What happened between the reading and the listening is found by another reading.
    this.#refresh(id, topic);
    return stream;
  }

  #open(wanted: ((event: JobEvent) => boolean) | undefined): EventStream {
    if (this.#closed) throw new DrayError('unavailable', 'the server is stopping');
    if (this.#streams.size >= maxStreams) {
      throw new DrayError(
        'unavailable',
        `${maxStreams} streams of events are open, and no more may be; poll with ?wait= instead, or come back later`,
      );
    }
    const stream = new EventStream();
    this.#streams.set(stream, wanted);
    this.#stopListening ??= this.#engine.subscribe((event) => this.#hear(event));
    this.#stopBeating ??= this.#clock.every(heartbeatMs, () => {
      for (const each of this.#streams.keys()) each.beat();
    });
    stream.once('close', () => {
      this.#streams.delete(stream);
      if (this.#streams.size > 0) return;
      this.#stopListening?.();
      this.#stopBeating?.();
      this.#stopListening = this.#stopBeating = undefined;
    });
    return stream;
  }

  #hear(event: JobEvent): void {
    let text: string | undefined;
    for (const [stream, wanted] of this.#streams) {
      if (!wanted?.(event)) continue;
      const { id, type, status, version } = event;
      text ??= jobEvent(`${id}:${version}`, { id, type, status, version });
      stream.send(id, text);
    }
    const topic = this.#topics.get(event.id);
    if (topic) this.#refresh(event.id, topic);
  }

  #topicOf(id: string): Topic {
    const known = this.#topics.get(id);
    if (known) return known;
    const topic: Topic = {
      streams: new Map(),
      cancelTimer: this.#clock.every(rereadMs, () => this.#refresh(id, topic)),
      stopListening: this.#engine.listen({
        id,
        listener: (text) => {
          for (const stream of topic.streams.keys()) stream.sendOutput(id, text);
        },
      }),
      reading: false,
      again: false,
    };
    this.#topics.set(id, topic);
    return topic;
  }

  #forget(id: string, topic: Topic): void {
    topic.cancelTimer();
    topic.stopListening();
    if (this.#topics.get(id) === topic) this.#topics.delete(id);
  }

  /** One reading at a time: what happens meanwhile is seen by the one after it. */
  #refresh(id: string, topic: Topic): void {
    topic.again = true;
    if (topic.reading) return;
    topic.reading = true;
    void this.#read(id, topic);
  }

  async #read(id: string, topic: Topic): Promise<void> {
    try {
      while (topic.again && topic.streams.size > 0) {
        topic.again = false;
        const job = await this.#engine.get({ id });
        if (job) tell(id, textOf(job), topic);
        if (job && !isFinal(job.status)) continue;
        this.#forget(id, topic);
        for (const stream of topic.streams.keys()) stream.finish();
        return;
      }
    } catch {
      // A store that does not answer is asked again by the timer.
    } finally {
      topic.reading = false;
    }
  }
}

function tell(id: string, text: string, { streams }: Topic): void {
  for (const [stream, sent] of streams) {
    if (sent === text) continue;
    streams.set(stream, text);
    stream.send(id, text);
  }
}

function textOf(job: Job): string {
  const { id, type, status, version, attempt, maxAttempts, worker, progress, error } = job;
  const view: JobEventView = {
    id,
    type,
    status,
    version,
    attempt,
    maxAttempts,
    ...(worker === undefined ? {} : { worker }),
    ...(progress === undefined ? {} : { progress }),
    ...(error === undefined ? {} : { error }),
  };
  return jobEvent(String(version), view);
}
