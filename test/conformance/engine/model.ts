import fc from 'fast-check';
import { afterAll, describe, test } from 'vitest';
import { anyCommand } from './model/commands.js';
import { Model } from './model/jobs.js';
import { Bench, type EngineFactory } from './setup.js';

/** Counts are of all types that a store ever had, so a store that goes through many runs is slow to compare. */
const runsPerStore = 10;
/** Ends a run whose shrinking takes too long, early enough for its seed to be printed. */
const mostMs = 90_000;

export function model(factory: EngineFactory): void {
  describe('model', () => {
    let bench: Bench | undefined;
    let runs = 0;

    const setup = async () => {
      if (runs++ % runsPerStore === 0) {
        await bench?.close();
        bench = await Bench.open(factory);
      }
      const used = bench!;
      const names = (): string[] => [used.newType(), used.newType()];
      return { model: new Model(), real: { bench: used, types: names(), runs: names() } };
    };

    afterAll(() => bench?.close());

    test('follows what is promised through any sequence of operations', async () => {
      const commands = fc.commands([anyCommand], { maxCommands: 60, size: 'max' });
      const property = fc.asyncProperty(commands, (sequence) => fc.asyncModelRun(setup, sequence));
      const seed = process.env['DRAY_SEED'];
      const outcome = await fc.check(property, {
        numRuns: 60,
        interruptAfterTimeLimit: mostMs,
        ...(seed !== undefined && { seed: Number(seed) }),
      });
      if (!outcome.failed) return;
      const report = await fc.asyncDefaultReportMessage(outcome);
      throw new Error(`Repeat it with DRAY_SEED=${outcome.seed} in the environment.\n${report}`, {
        cause: outcome.errorInstance,
      });
    }, 120_000);
  });
}
