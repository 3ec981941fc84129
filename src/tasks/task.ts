/**
 * The interface on which all tasks are written, the built-in ones included. Users have it as `dray/task`;
 * docs/tasks.md tells how to write one.
 */
import type { Log } from '../log.js';
import type { Static, TSchema } from 'typebox';
import type { BlobStore, BlobWriter } from '../blobs/blob-store.js';
import type { ValueSink } from '../json/sink.js';

export { stopReasonOf, type StopReason } from './stopped.js';

export type TaskLog = Log;

export interface PreviousAttempt {
  /** `expired`: its worker died or was cut off; `released`: it was handed back, as where a worker is told to stop. */
  readonly outcome: 'completed' | 'failed' | 'expired' | 'released' | 'cancelled';
  /** Where it failed. */
  readonly error?:
    { readonly code: string; readonly message: string; readonly permanent: boolean } | undefined;
}

/** The blobs as tasks may use them. */
export type TaskBlobs = Pick<BlobStore, 'create' | 'stat' | 'readInto' | 'read'>;

/** What a running attempt may use. */
export interface TaskContext {
  readonly jobId: string;
  /** 1-based. */
  readonly attempt: number;
  /** How the attempt before ended; absent at the first. What that one has started elsewhere may still run. */
  readonly previous?: PreviousAttempt;
  /**
   * Aborts on cancel, timeout, lost lease and drain, with an AbortError; `stopReasonOf` tells which. What goes on after
   * a grace period of 2 s is lost: an executor is killed, an inline attempt is given up.
   */
  readonly signal: AbortSignal;
  /**
   * Large data in and out. What is not committed when the attempt ends is forgotten; a blob of an attempt whose
   * result is not published is garbage, and is collected.
   */
  readonly blobs: TaskBlobs;
  readonly log: TaskLog;
  /** Bytes that the process may use in all; above it an executor is killed. */
  readonly memoryLimit: number;
  /** Threads that the task may keep busy right now; it changes as neighbours come and go. */
  readonly threads: () => number;
  /** Seen by those who watch the job. `fraction` is in [0, 1]. Cheap: call it as often as you like. */
  readonly progress: (fraction: number, message?: string) => void;
  /**
   * Passes text on to those who watch the job right now, as a program prints it: with its line ends, in pieces of any
   * size. Best effort and stored nowhere; what is beyond 64 Ki characters in a second is left out.
   */
  readonly output: (text: string) => void;
}

/** What `admit` may use. */
export interface AdmitContext {
  readonly blobs: TaskBlobs;
  /** Only on one machine: an executor's memory. */
  readonly maxMatrixElements: number;
}

/**
 * Makes the sink that reads one field of the input straight from the request's bytes. `writer` gives the one
 * blob that all streamed fields of a request share; it is made when first asked for.
 */
export type FieldReader = (params: {
  field: string;
  writer: () => Promise<BlobWriter>;
  maxElements: number;
}) => ValueSink;

/** A form in which a result can be fetched. */
export interface Representation {
  readonly mediaType: string;
  /** The blob that is the form, or its bytes where they are few: then ranges are possible. */
  readonly blob?: string;
  bytes?(): Uint8Array;
  /** Used where there is neither. @throws DrayError `not-acceptable` before the first chunk where the form cannot carry the data. */
  stream?(blobs: TaskBlobs): AsyncIterable<Uint8Array | string>;
}

export interface Task<I extends TSchema = TSchema, O extends TSchema = TSchema> {
  /** The job type that the task runs: 1 to 128 characters of A–Z a–z 0–9 . _ : - */
  readonly type: string;
  readonly description?: string;
  /** A TypeBox schema, or any JSON schema as a plain object. */
  readonly input: I;
  /** A result that does not fit it fails the job for good. */
  readonly output: O;
  /**
   * True for light work that mostly waits, such as a call to another service: it runs in the server's own process,
   * many at a time, and costs no executor. Whatever blocks its thread blocks the server.
   */
  readonly inline?: boolean;
  /**
   * Of an inline task: so many of its jobs run at a time in each process, in slots of its own. They take none from
   * other inline tasks, and those none from it.
   */
  readonly slots?: number;
  /**
   * Of a task with `slots`: what an attempt has started goes on without it, elsewhere, and the next attempt takes it up.
   * A worker that is told to stop hands its jobs back at once, and waits for none of them.
   */
  readonly resumes?: boolean;
  /**
   * Checks what a schema cannot say, before the job is queued, and returns the input to store. It may look at
   * blobs that the input names. Throw PermanentError to refuse: the client gets its message with status 400.
   * @throws DrayError with a 4xx code that names the field.
   */
  admit?(input: Static<I>, context: AdmitContext): Static<I> | Promise<Static<I>>;
  /**
   * How much work a job is, from 1 on and rounded, in a unit of the task's own: what a job takes whatever its size is
   * included. How long a unit takes is measured; queues are weighed by it. By default every job is 1.
   */
  work?(input: Static<I>): number;
  /** How long an attempt may take where the submission does not say, in ms; by default an hour, and at most 7 days. */
  timeoutMs?(input: Static<I>): number;
  /** Fields of the input that are read as a stream, for values too large to hold. */
  readonly fields?: Readonly<Record<string, FieldReader>>;
  /**
   * Runs one attempt. Throw PermanentError where a retry cannot help; any other error is transient and retried.
   */
  run(input: Static<I>, context: TaskContext): Static<O> | Promise<Static<O>>;
  /** The forms of the result, the preferred one first. The output itself as JSON comes last, unless one of them is JSON. */
  represent?(output: Static<O>): readonly Representation[];
}

/** Gives the task its types; the value is unchanged. */
export function defineTask<const I extends TSchema, const O extends TSchema>(task: Task<I, O>): Task<I, O> {
  return task;
}

/** The same in every copy of this module: a user's task may have loaded another one than the server has. */
const mark = Symbol.for('dray.PermanentError');

/** Thrown by a task where no retry can help. */
export class PermanentError extends Error {
  readonly code: string;
  readonly details: Readonly<Record<string, unknown>> | undefined;
  readonly [mark] = true;

  /**
   * @param options.code what the job's error is to carry, 1 to 64 characters; by default `task-refused`.
   * @param options.details what else it is to carry, a JSON object of at most 8 KiB; the blobs that it names as
   * `{"blob": id}` are kept as long as the job is.
   */
  constructor(
    message: string,
    options?: { code?: string; details?: Readonly<Record<string, unknown>>; cause?: unknown },
  ) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'PermanentError';
    this.code = options?.code ?? 'task-refused';
    this.details = options?.details;
  }
}

/** Code and details are what the caller gave, which in JavaScript may be anything. */
export function isPermanent(
  error: unknown,
): error is Error & { readonly code: unknown; readonly details?: unknown } {
  return error instanceof Error && mark in error;
}
