import { configDefaults, defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    // `npm run test:cluster`
    exclude: [...configDefaults.exclude, 'test/cluster/**'],
    globalSetup: ['test/support/services-setup.ts'],
    reporters: ['default', './test/support/summary-reporter.ts'],
    // Real servers and child processes: the limits only end what hangs.
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
