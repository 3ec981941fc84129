/** Runs of seeded random operations, each on the model and on the store; a sequence that breaks is made short. */
import fc from 'fast-check';
import { Bench, type EngineFactory } from '../setup.js';
import { anyCommand } from './commands.js';
import { Model } from './jobs.js';

/** Counts are of all types that a store ever had, so a store that goes through many runs is slow to compare. */
const runsPerStore = 10;
/** Ends a run whose shrinking takes too long, early enough for its seed to be printed. */
const mostMs = 90_000;

export class ModelRuns {
  readonly #factory: EngineFactory;
  #bench: Bench | undefined;
  #runs = 0;

  constructor(factory: EngineFactory) {
    this.#factory = factory;
  }

  /** @returns what was broken and the seed that repeats it, or undefined. Without a seed it takes a random one. */
  async check(given: {
    runs: number;
    seed?: number;
  }): Promise<{ seed: number; report: string; error: unknown } | undefined> {
    const commands = fc.commands([anyCommand], { maxCommands: 60, size: 'max' });
    const property = fc.asyncProperty(commands, (sequence) =>
      fc.asyncModelRun(() => this.#setup(), sequence),
    );
    const outcome = await fc.check(property, {
      numRuns: given.runs,
      interruptAfterTimeLimit: mostMs,
      ...(given.seed !== undefined && { seed: given.seed }),
    });
    if (!outcome.failed) return undefined;
    const report = (await fc.asyncDefaultReportMessage(outcome)) ?? 'no report';
    return { seed: outcome.seed, report, error: outcome.errorInstance };
  }

  async close(): Promise<void> {
    await this.#bench?.close();
    this.#bench = undefined;
  }

  async #setup() {
    if (this.#runs++ % runsPerStore === 0) {
      await this.close();
      this.#bench = await Bench.open(this.#factory);
    }
    const bench = this.#bench!;
    const names = (): string[] => [bench.newType(), bench.newType()];
    return { model: new Model(), real: { bench, types: names(), runs: names() } };
  }
}
