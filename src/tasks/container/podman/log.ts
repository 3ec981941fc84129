/** A container's log. */
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import type { Clock } from '../../../clock.js';
import { firstPause, longestPause, type Containers } from './containers.js';
import { readLogFile } from './log-file.js';
import type { Program } from './program.js';

/** How often a command may break off before the log counts as one that cannot be read. */
const maxFailures = 5;

interface Reading {
  readonly jobId: string;
  readonly containers: Containers;
  readonly program: Program;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * All of it, from its beginning until the container has ended.
 * @throws the signal's reason when aborted.
 */
export async function* readLog(reading: Reading): AsyncGenerator<Uint8Array, void> {
  const { jobId, containers, clock, signal } = reading;
  let found = await containers.findPatiently(jobId, signal);
  for (; found?.state === 'created'; found = await containers.findPatiently(jobId, signal))
    await clock.sleep(firstPause, signal);
  if (!found || found.state === 'going') return;
  // Rather than `podman logs --follow`, which before version 5 loses lines of containers that print fast.
  const path = found.log;
  if (path === undefined || !(await isReadable(path))) return yield* readByCommand(reading);
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  const ended = containers.ended(jobId, either, (now) => containers.pass(now, either));
  try {
    yield* readLogFile({ path, ended, clock, signal });
  } finally {
    stop.abort(new Error('nobody reads the log any more'));
    await ended.catch(() => undefined);
  }
}

/** That of docker, and of podman on another machine. */
async function* readByCommand(reading: Reading): AsyncGenerator<Uint8Array, void> {
  const { jobId, containers, program, clock, signal } = reading;
  let told = 0;
  let failures = 0;
  for (let rest = firstPause; ; rest = Math.min(rest * 2, longestPause)) {
    const found = await containers.findPatiently(jobId, signal);
    if (!found || found.state === 'going') return;
    const printed = program.printed(['logs', '--follow', found.id], signal);
    const complete = yield* fresh(printed, told, (bytes) => (told += bytes));
    signal.throwIfAborted();
    const now = await containers.findPatiently(jobId, signal);
    if (now?.id !== found.id) return;
    if (complete && now.state !== 'running') {
      // Docker ends a log that is followed with its container, at times before the last line.
      yield* fresh(program.printed(['logs', found.id], signal), told, () => undefined);
      return;
    }
    if (!complete && (failures += 1) === maxFailures) throw containers.unavailable('its log cannot be read');
    await clock.sleep(rest, signal);
  }
}

/**
 * Where a reading breaks off it begins again: this passes over what is known of it, as a log only grows.
 * @returns whether it came to its end.
 */
async function* fresh(
  printed: AsyncGenerator<Buffer, number | null>,
  known: number,
  tell: (bytes: number) => void,
): AsyncGenerator<Buffer, boolean> {
  let skip = known;
  try {
    for (;;) {
      const next = await printed.next();
      if (next.done) return next.value === 0;
      const rest = next.value.subarray(skip);
      skip -= Math.min(skip, next.value.length);
      if (rest.length === 0) continue;
      tell(rest.length);
      yield rest;
    }
  } finally {
    await printed.return(null);
  }
}

async function isReadable(path: string): Promise<boolean> {
  return access(path, constants.R_OK).then(
    () => true,
    () => false,
  );
}
