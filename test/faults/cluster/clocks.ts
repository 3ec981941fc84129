/**
 * The clocks of all machines are set forward and back by hours, each to another time. That of Redis is not: it is the
 * one authority, and test/conformance sets it.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Mode } from '../deployment/process.js';
import { clusterFault } from '../deployment/cluster-fault.js';

const preload = new URL('../preload/clock.mjs', import.meta.url).href;
const hour = 3_600_000;
const modes = ['api', 'controller', 'worker'] as const;
const controls = new Map<Mode, string>();

clusterFault('cluster-clocks', 'no lease expires, and no job is lost, by clocks that disagree', {
  prepare: async (drill) => {
    for (const mode of modes) {
      controls.set(mode, join(await drill.folder(), 'offset'));
      writeFileSync(controls.get(mode)!, '0');
    }
  },
  env: (mode) => ({ NODE_OPTIONS: `--import=${preload}`, DRAY_FAULT_CLOCK: controls.get(mode)! }),
  rounds: { full: 20, quick: 3 },
  happens: async ({ deployment, drill }) => {
    // A delay is reckoned from the clock of the API: one that is ahead would keep its jobs waiting for so long.
    const latest = (mode: Mode): number => (mode === 'api' ? 0 : 6 * hour);
    for (const mode of modes) {
      const offset = drill.random.between(-6 * hour, latest(mode));
      writeFileSync(controls.get(mode)!, String(offset));
    }
    await deployment.pause(200, 2_000);
  },
  then: (_, ended) => {
    expect(ended.flatMap(({ attempts }) => attempts.map(({ outcome }) => outcome))).not.toContain('expired');
    return Promise.resolve();
  },
});
