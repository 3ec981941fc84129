import { describe, vi } from 'vitest';
import { systemClock } from '../../src/clock.js';
import { openPodman } from '../../src/tasks/container/podman.js';
import { podman, testPodman } from '../support/podman.js';
import { containerRuntimeConformance } from './container-runtime.js';

const found = await testPodman();
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

describe.skipIf(found === undefined)('podman', () => {
  containerRuntimeConformance('podman', () => {
    const { program, args, image } = found!;
    const log = { info: () => undefined, warn: () => undefined };
    return Promise.resolve({
      open: (owner) =>
        Promise.resolve(openPodman({ program, args, owner, envFile: undefined, clock: systemClock, log })),
      image,
      absentImage: 'localhost/dray-test-that-nobody-made:1',
      destroy: async (name) => {
        await podman('rm', '--force', name);
      },
      cleanup: () => Promise.resolve(),
    });
  });
});
