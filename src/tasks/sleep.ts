/** The job type `sleep`: takes time and memory, fails and crashes as told. For tests and drills. */
import { Type, type Static } from 'typebox';
import { systemClock, type Clock } from '../clock.js';
import { MiB } from '../jobs/limits.js';
import { defineTask, PermanentError, type TaskContext } from './task.js';

const times = { minimum: 0, maximum: 1_000_000 };

const SleepInput = Type.Object(
  {
    seconds: Type.Number({ minimum: 0, maximum: 86_400 }),
    failTimes: Type.Optional(
      Type.Integer({ ...times, description: 'Attempts up to this one fail at the end.' }),
    ),
    failWith: Type.Optional(
      Type.Union([Type.Literal('transient'), Type.Literal('permanent')], {
        description: 'How they fail; transient by default. Without failTimes every attempt fails.',
      }),
    ),
    crashTimes: Type.Optional(
      Type.Integer({ ...times, description: 'Attempts up to this one kill their process half-way.' }),
    ),
    memoryMiB: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 1_048_576, description: 'Memory to take and to touch.' }),
    ),
  },
  { additionalProperties: false },
);
type SleepInput = Static<typeof SleepInput>;

const SleepOutput = Type.Object({
  slept: Type.Number({ description: 'Seconds.' }),
  attempt: Type.Integer(),
});

const progressMs = 200;

export function createSleep(options: { clock: Clock; killSelf: () => void }) {
  return defineTask({
    type: 'sleep',
    description: 'Sleeps; fails, crashes and takes memory as told. For tests and drills.',
    input: SleepInput,
    output: SleepOutput,
    work: ({ seconds }) => Math.max(1, Math.round(seconds * 1000)), // in ms
    run: (input, context) => sleepAsTold(input, context, options),
  });
}

export const sleep = createSleep({
  clock: systemClock,
  killSelf: () => process.kill(process.pid, 'SIGKILL'),
});

async function sleepAsTold(
  input: SleepInput,
  context: TaskContext,
  { clock, killSelf }: { clock: Clock; killSelf: () => void },
): Promise<Static<typeof SleepOutput>> {
  const { attempt, signal } = context;
  const start = clock.monotonic();
  const ms = input.seconds * 1000;
  const held = await takeMemory(input.memoryMiB ?? 0, signal);
  const sleepUntil = async (end: number): Promise<void> => {
    for (;;) {
      signal.throwIfAborted();
      const done = clock.monotonic() - start;
      if (done >= end) return;
      context.progress(Math.min(1, done / ms));
      await clock.sleep(Math.min(progressMs, end - done), signal);
    }
  };
  await sleepUntil(ms / 2);
  if (attempt <= (input.crashTimes ?? 0)) killSelf();
  await sleepUntil(ms);
  held.length = 0;
  const failTimes = input.failTimes ?? (input.failWith === undefined ? 0 : Infinity);
  if (attempt <= failTimes) {
    const message = `attempt ${attempt} failed as told`;
    throw input.failWith === 'permanent' ? new PermanentError(message) : new Error(message);
  }
  context.progress(1);
  return { slept: (clock.monotonic() - start) / 1000, attempt };
}

/** Touched bytes only count as memory, so every page is written. */
async function takeMemory(mebibytes: number, signal: AbortSignal): Promise<Uint8Array[]> {
  const held: Uint8Array[] = [];
  for (let i = 0; i < mebibytes; i++) {
    signal.throwIfAborted();
    held.push(new Uint8Array(MiB).fill(1));
    if (i % 16 === 15) await new Promise((resolve) => setImmediate(resolve));
  }
  return held;
}
