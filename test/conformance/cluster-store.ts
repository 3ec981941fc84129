import { systemClock } from '../../src/clock.js';
import { openClusterEngine } from '../../src/engine/cluster/index.js';
import type { EngineFactory } from './engine/setup.js';

/** Each store has names of its own on the servers, which others share. */
export function clusterStore(servers: { readonly queue: string; readonly state: string }): EngineFactory {
  return async (clock) => {
    const prefix = `t${systemClock.token().slice(0, 12)}`;
    const open = () =>
      openClusterEngine({
        ...servers,
        prefix,
        // Timers are real, as the servers are; what is stored goes by the test's clock.
        clock: systemClock,
        time: clock,
        log: { info: () => undefined, warn: () => undefined },
        keepForMs: 7 * 24 * 3_600_000,
        // No consumer is left over from one claim to the next: then each looks at all that waits.
        lingerMs: 0,
        gatherMs: 1_000,
      });
    let engine = await open();
    return {
      engine,
      queues: true,
      looked: () => engine.settled(),
      reopen: async () => {
        await engine.close();
        engine = await open();
        return engine;
      },
      cleanup: () => engine.close(),
    };
  };
}
