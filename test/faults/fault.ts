/**
 * What the fault scripts share. Each is a test: `npm run check` runs it short and silent with a seed of its own
 * choosing, `npm run faults` in full length, telling each phase.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { test } from 'vitest';
import { systemClock } from '../../src/clock.js';
import { Random } from '../support/random.js';
import type { InvariantReport } from '../../src/jobs/invariants.js';
import { main, startServer, type ServerOptions, type TestServer } from '../support/server.js';

/** Ends a run that hangs, in ms. */
const mostMs = { quick: 120_000, full: 3_600_000 };

export class Drill {
  readonly seed: number;
  /** True where it should take seconds. */
  readonly quick: boolean;
  /** The choices of this run. What the seed cannot repeat is how the processes' turns fall. */
  readonly random: Random;
  readonly lines: string[] = [];
  readonly #silent: boolean;
  readonly #ends: (() => unknown)[] = [];
  readonly #startedAt = systemClock.monotonic();

  constructor(given: { seed: number; quick: boolean; silent: boolean }) {
    const { seed } = given;
    this.seed = seed;
    this.quick = given.quick;
    this.#silent = given.silent;
    this.random = new Random(seed);
  }

  /** One line for each phase. */
  say(line: string): void {
    const seconds = (systemClock.monotonic() - this.#startedAt) / 1000;
    this.lines.push(`${seconds.toFixed(1).padStart(7)} s  ${line}`);
    if (!this.#silent) console.log(this.lines.at(-1));
  }

  /** Has `end` called when the run is over, however it ended; what was named last goes first. */
  after(end: () => unknown): void {
    this.#ends.push(end);
  }

  /** A folder that is removed in the end. */
  async folder(): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), 'dray-fault-'));
    // An executor whose server was killed may write for a moment yet.
    this.after(() => rm(folder, { recursive: true, force: true, maxRetries: 10 }));
    return folder;
  }

  /** A server that does not outlive the run. */
  async server(options: ServerOptions & { data: string }): Promise<TestServer> {
    const server = await startServer(options);
    this.after(() => server.kill());
    return server;
  }

  /** Goes through all ends, also where one fails. */
  async end(): Promise<void> {
    const errors: unknown[] = [];
    for (const end of this.#ends.splice(0).reverse()) {
      try {
        await end();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw new AggregateError(errors, 'not all could be cleared away');
  }
}

/**
 * What `dray doctor --invariants` says of a folder that no server has open.
 * @throws Error with its report where a promise is broken.
 */
export function checkInvariants(data: string): Promise<InvariantReport> {
  return askDoctor(['--data', data]);
}

/** The same of what is named by these flags and variables. */
export async function askDoctor(
  flags: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<InvariantReport> {
  const args = [main, 'doctor', '--invariants', ...flags, '--json'];
  const options = { env: { ...process.env, ...env } };
  const { stdout } = await promisify(execFile)(process.execPath, args, options).catch((error: unknown) => {
    throw new Error(`${(error as { stdout: string }).stdout}${String(error)}`, { cause: error });
  });
  return JSON.parse(stdout) as InvariantReport;
}

/** @param name that of the file, by which `npm run faults` knows it. */
export function fault(
  name: string,
  promise: string,
  run: (drill: Drill) => Promise<void>,
  { limits = mostMs, skip = false } = {},
): void {
  const mode = process.env['DRAY_FAULTS'];
  const quick = mode !== 'full';
  test.skipIf(skip)(
    `${name}: ${promise}`,
    async () => {
      const seed = Number(process.env['DRAY_SEED'] ?? Math.floor(systemClock.random() * 2 ** 31));
      const drill = new Drill({ seed, quick, silent: mode === undefined });
      drill.say(`${name}, seed ${seed}`);
      try {
        await run(drill);
        drill.say('kept');
      } catch (error) {
        const again = `npm run faults -- ${name} --seed ${seed}${quick ? ' --quick' : ''}`;
        throw new Error(`Repeat it with: ${again}\n${drill.lines.join('\n')}\n${String(error)}`, {
          cause: error,
        });
      } finally {
        await drill.end();
      }
    },
    quick ? limits.quick : limits.full,
  );
}
