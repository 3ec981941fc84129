import { afterAll, describe, test } from 'vitest';
import { ModelRuns } from './model/runs.js';
import type { EngineFactory } from './setup.js';

export function model(factory: EngineFactory): void {
  describe('model', () => {
    const runs = new ModelRuns(factory);

    afterAll(() => runs.close());

    test('follows what is promised through any sequence of operations', async () => {
      const seed = process.env['DRAY_SEED'];
      const broken = await runs.check({ runs: 60, ...(seed !== undefined && { seed: Number(seed) }) });
      if (!broken) return;
      throw new Error(`Repeat it with DRAY_SEED=${broken.seed} in the environment.\n${broken.report}`, {
        cause: broken.error,
      });
    }, 120_000);
  });
}
