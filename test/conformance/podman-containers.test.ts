import { execFileSync } from 'node:child_process';
import { describe, vi } from 'vitest';
import { systemClock } from '../../src/clock.js';
import { openPodman } from '../../src/tasks/container/podman.js';
import { testPodman } from '../support/podman.js';
import { containerRuntimeConformance } from './container-runtime.js';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

for (const program of ['podman', 'docker'] as const) {
  const found = await testPodman(program);
  describe.skipIf(found === undefined)(program, () => {
    containerRuntimeConformance(program, () => {
      const { args, image } = found!;
      const log = { info: () => undefined, warn: () => undefined };
      return Promise.resolve({
        open: (owner) =>
          Promise.resolve(openPodman({ program, args, owner, envFile: undefined, clock: systemClock, log })),
        image,
        logsAreText: program === 'docker',
        absentImage: 'localhost/dray-test-that-nobody-made:1',
        destroy: (name) => {
          execFileSync(program, ['rm', '--force', name], { stdio: 'pipe', timeout: 60_000 });
          return Promise.resolve();
        },
        cleanup: () => Promise.resolve(),
      });
    });
  });
}
