/** More than one leads at once: the lock has no fencing, so maintenance must be safe from several places. */
import { openClusterEngine } from '../../../src/engine/cluster/index.js';
import { systemClock } from '../../../src/clock.js';
import { clusterFault } from '../deployment/cluster-fault.js';

const more = [1, 2];

clusterFault('cluster-two-leaders', 'maintenance from several places at once does everything once', {
  rounds: { full: 5, quick: 1 },
  checked: true,
  happens: async ({ deployment, drill }) => {
    const { rabbit, redis } = deployment;
    const log = { info: () => undefined, warn: () => undefined };
    const leaders = await Promise.all(
      more.map(() =>
        openClusterEngine({
          queue: rabbit.url,
          state: redis.url,
          clock: systemClock,
          log,
          keepForMs: 3_600_000,
        }),
      ),
    );
    const until = systemClock.monotonic() + 4_000;
    const passes = leaders.map(async (engine) => {
      let passes = 0;
      for (; systemClock.monotonic() < until; passes++) await engine.maintain();
      await engine.close();
      return passes;
    });
    // Leases run out meanwhile, which all of them see.
    await deployment.pause(0, 1_000);
    await drill.random.pick(deployment.of('worker')).kill();
    await deployment.add('worker');
    drill.say(`${(await Promise.all(passes)).join(' and ')} passes beside those of the leader`);
  },
});
