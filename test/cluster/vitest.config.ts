import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  root: fileURLToPath(new URL('../..', import.meta.url)),
  test: {
    include: ['test/cluster/**/*.test.ts'],
    globalSetup: ['test/support/services-setup.ts', 'test/cluster/image-setup.ts'],
    reporters: ['default', './test/support/summary-reporter.ts'],
    // Containers take seconds to start, and those that are being removed up to their grace.
    testTimeout: 180_000,
    // A release takes half a minute, or several on a busy machine; one that is given up would stay.
    hookTimeout: 600_000,
    // The cluster is one machine, often, and not a large one.
    fileParallelism: false,
  },
});
