import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    root: new URL('../..', import.meta.url).pathname,
    include: ['test/stress/**/*.test.ts'],
    pool: 'forks',
    testTimeout: (10 + Number(process.env['BYGONE_MINUTES'] ?? 5)) * 60_000,
    globalSetup: ['test/support/leftovers.ts'],
    disableConsoleIntercept: true,
  },
})
