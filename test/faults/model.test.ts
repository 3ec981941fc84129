/** Any sequence of operations leaves a store as the transition table says. */
import { sqliteStore } from '../conformance/sqlite-store.js';
import { ModelRuns } from '../conformance/engine/model/runs.js';
import { fault } from './fault.js';

/** Of each seed; a failing one is repeated in a minute. */
const runs = 60;

fault('model', 'an engine does what the transition table says', async (drill) => {
  const model = new ModelRuns(sqliteStore);
  drill.after(() => model.close());
  const seeds = drill.quick ? 1 : 50;
  for (let seed = drill.seed; seed < drill.seed + seeds; seed++) {
    const broken = await model.check({ seed, runs: drill.quick ? 10 : runs });
    if (broken)
      throw new Error(`npm run faults -- model --seed ${seed} begins with it.\n${broken.report}`, {
        cause: broken.error,
      });
    if ((seed + 1 - drill.seed) % 10 === 0) drill.say(`seeds ${drill.seed} to ${seed}: ${runs} runs each`);
  }
});
