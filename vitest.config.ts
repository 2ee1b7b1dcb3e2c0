import { defineConfig } from 'vitest/config'

// Tests that mount share the machine's mount table and two cores with real daemons: one file at a
// time. Their deadlines are inside (TestVolume, Actor); vitest's own are the last resort.
const minute = 60_000

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'pure',
          include: ['test/unit/**/*.test.ts', 'test/model/**/*.test.ts'],
          testTimeout: 5 * minute,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'mount',
          include: ['test/mount/**/*.test.ts', 'test/fault/**/*.test.ts'],
          fileParallelism: false,
          pool: 'forks',
          // With BYGONE_MINUTES the oracle test may run for hours.
          testTimeout: (10 + Number(process.env['BYGONE_MINUTES'] ?? 0)) * minute,
          hookTimeout: minute,
          globalSetup: ['test/support/leftovers.ts'],
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
