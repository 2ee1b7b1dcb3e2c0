import { defineConfig, type TestProjectConfiguration } from 'vitest/config'

const minute = 60_000

const mounts = ['test/mount/**/*.test.ts', 'test/fault/**/*.test.ts']

/** Those that look at what the whole machine has, or need most of it. */
const alone = [
  'test/mount/{cost,descriptors,lifecycle,load,oracle,races,samba-*}.test.ts',
  'test/fault/{cli-daemon,fault-points,origin-gone}.test.ts',
]

/**
 * Tests that mount share the machine's mount table and two cores with real daemons. Their deadlines are inside
 * (TestVolume, Actor); vitest's own are the last resort.
 */
function mounting(
  name: string,
  groupOrder: number,
  maxWorkers: number,
  files: { include: string[]; exclude?: string[] },
): TestProjectConfiguration {
  return {
    test: {
      ...files,
      name,
      maxWorkers,
      pool: 'forks',
      // With BYGONE_MINUTES the oracle test may run for hours.
      testTimeout: (10 + Number(process.env['BYGONE_MINUTES'] ?? 0)) * minute,
      hookTimeout: minute,
      globalSetup: ['test/support/leftovers.ts'],
      sequence: { groupOrder },
    },
  }
}

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
      mounting('mount', 1, 2, { include: mounts, exclude: alone }),
      mounting('mount alone', 2, 1, { include: alone }),
    ],
  },
})
