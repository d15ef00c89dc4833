import { defineConfig } from 'vitest/config';

/** They hold shares and rates to figures, which other tests' load would distort: they run after all others. */
const ALONE = ['test/e2e/batch-fairness.test.ts', 'test/e2e/rate-limits.test.ts'];
const globalSetup = ['./test/support/global-setup.ts'];

export default defineConfig({
  test: {
    maxWorkers: 2,
    // A reason is printed for what is slow or hangs, never a retry: the tests are deterministic.
    retry: 0,
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: [
            'libs/**/*.test.ts',
            'services/**/*.test.ts',
            'infra/**/*.test.mjs',
            'test/architecture.test.ts',
            'test/conformance/**/*.test.ts',
            'test/golden/**/*.test.ts',
            'test/simulators/**/*.test.ts',
          ],
          testTimeout: 30_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          globalSetup,
          testTimeout: 90_000,
          hookTimeout: 90_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          exclude: ALONE,
          globalSetup,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'e2e-alone',
          include: ALONE,
          globalSetup,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
