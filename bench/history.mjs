/**
 * Does a store that has run for long still answer as an empty one does? Submits, claims and lists with 1,000,000
 * finished and 100,000 waiting jobs, through the engine, which is what the server and its worker use.
 */
import { join } from 'node:path';
import { alternate, compare, median, percentile } from './harness/figures.mjs';
import { startAnswering } from './harness/load.mjs';

const slice = 50_000;

export default {
  name: 'history',
  target:
    'submit, claim and list with 1,000,000 finished and 100,000 waiting jobs: within 1.2 × of an empty store',
  async run(ctx) {
    const [finished, waiting] = ctx.quick ? [50_000, 5_000] : [1_000_000, 100_000];
    const [full, empty] = [await openStore(ctx, 'full'), await openStore(ctx, 'empty')];
    for (let done = 0; done < finished; done += slice) {
      await full.run({ finish: slice });
      ctx.log(`${done + slice} of ${finished} jobs finished`);
    }
    for (let done = 0; done < waiting; done += slice) await full.run({ wait: Math.min(slice, waiting) });
    await empty.run({ finish: 1_000 }); // or there would be no page to read
    const round = { count: ctx.quick ? 640 : 6_400, pages: ctx.quick ? 10 : 50 };
    for (const store of [full, empty]) await store.run(round);
    const runs = await alternate(ctx.quick ? 3 : 9, {
      empty: () => empty.run(round),
      full: () => full.run(round),
    });
    const rows = (operation, what) => {
      const of = (name, statistic) => runs[name].map((run) => statistic(run[operation]));
      const row = (figure, statistic, target = {}) =>
        compare({
          what: `${what}, ${figure}, full : empty`,
          unit: 'ms',
          ours: of('full', statistic),
          peer: of('empty', statistic),
          ...target,
        });
      return [row('p50', median, { atMost: 1.2 }), row('p99', (all) => percentile(all, 99))];
    };
    return [
      ...rows('submit', 'submit, 64 at a time'),
      ...rows('claim', 'claim of 10'),
      ...rows('list', 'page of 50'),
    ];
  },
};

const openStore = (ctx, name) =>
  startAnswering(ctx, {
    name: `store-${name}`,
    file: new URL('./load/store.mjs', import.meta.url),
    args: [join(ctx.scratch, name, 'jobs.sqlite')],
  });
