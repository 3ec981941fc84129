/** What a pod prints, from the beginning to its end, over connections that break. */
import type { Clock } from '../../../clock.js';
import { backoff } from '../../../jobs/retry.js';
import { ApiError, isAnswer, type Api } from '../../../kubernetes/api.js';
import { LogPosition } from './log-position.js';
import type { KubePod } from './objects.js';

/** A connection on which nothing comes may be dead: it is made anew. */
const idleMs = 60_000;
/** For what a follower is still owed when the container has ended. */
const endingMs = 2_000;
const retry = { baseMs: 500, factor: 2, capMs: 5_000 };
/** Failures in a row once the container has ended, or where we may not read: some 10 s. */
const mostFailures = 6;

export interface LogSource {
  readonly api: Api;
  readonly clock: Clock;
  /** The pod of the job now. */
  pod(): Promise<KubePod | undefined>;
  /** Resolves once there is something to read, or it has ended without. */
  readonly begun: Promise<unknown>;
  /** Aborts once the container has ended. */
  readonly ended: AbortSignal;
  /** Ends the reading. */
  readonly signal: AbortSignal;
}

/**
 * A reading that was begun after the container had ended, and has come to its end, is the last one: so what was cut
 * is read again.
 * @throws ApiError where the log of an ended container cannot be read, or we are not allowed to.
 */
export async function* readLog(source: LogSource): AsyncGenerator<Uint8Array, void, undefined> {
  const { clock, ended, signal } = source;
  const position = new LogPosition();
  await source.begun;
  for (let failures = 0; ;) {
    const last = ended.aborted;
    try {
      const pod = await source.pod();
      if (!pod && last) return;
      if (pod) {
        for await (const chunk of follow({ source, pod, position, last })) {
          failures = 0;
          yield chunk;
        }
        if (last) return;
      }
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof ApiError)) throw error;
      if (last && isAnswer(error, 404)) return;
      failures += 1;
      if ((last || error.forbidden) && failures > mostFailures) throw error;
    }
    if (ended.aborted && failures === 0) continue;
    const pauseMs = backoff({ attempt: Math.max(1, failures), policy: retry, random: clock.random() });
    const pause = last ? signal : AbortSignal.any([signal, ended]);
    await clock.sleep(pauseMs, pause).catch(() => undefined);
    signal.throwIfAborted();
  }
}

async function* follow(params: {
  source: LogSource;
  pod: KubePod;
  position: LogPosition;
  last: boolean;
}): AsyncGenerator<Uint8Array, void, undefined> {
  const { source, position, last } = params;
  const { name } = params.pod.metadata;
  const since = position.begin();
  const query = {
    timestamps: 'true',
    ...(!last && { follow: 'true' }),
    ...(since !== undefined && { sinceTime: new Date(since).toISOString() }),
  };
  const cut = new AbortController();
  let cancel: (() => void) | undefined;
  const onEnd = (): void => {
    const tooLong = new ApiError('the log does not end with its container');
    cancel = source.clock.after(endingMs, () => cut.abort(tooLong));
  };
  if (!last) source.ended.addEventListener('abort', onEnd, { once: true });
  try {
    const signal = AbortSignal.any([source.signal, cut.signal]);
    for await (const chunk of source.api.stream(`${source.api.pods(name)}/log`, query, { signal, idleMs })) {
      const fresh = position.take(chunk);
      if (fresh.length > 0) yield fresh;
    }
  } finally {
    source.ended.removeEventListener('abort', onEnd);
    cancel?.();
  }
}
