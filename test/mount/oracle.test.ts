import { expect, test } from 'vitest'
import { type Abilities, allAbilities } from '../support/operation-generator.js'
import { Oracle } from '../support/oracle.js'
import { OracleVolume } from '../support/oracle-volume.js'
import { seedOfThisRun } from '../support/random.js'
import { describeMount } from '../support/requirements.js'
import { TestVolume, type TestVolumeOptions } from '../support/test-volume.js'

// Goal: no operation, unmount or kill -9 ever changes a snapshot, and the live tree behaves as a plain one.
// Method: random operations on the mount and on a mirror; snapshots at random moments, each compared for
// ever after with what was kept aside at its cut (see support/oracle.ts).
//   BYGONE_SEED=n        replays the operations of a run (the instants of kills are the machine's own)
//   BYGONE_OPERATIONS=n  operations in each round
//   BYGONE_MINUTES=n     repeats rounds with further seeds for so long, for each configuration
//   BYGONE_TRACE=1       prints each operation before it runs
const operationsPerRound = Number(process.env['BYGONE_OPERATIONS'] ?? 1200)
const roundsDeadlineMs = Number(process.env['BYGONE_MINUTES'] ?? 0) * 60_000
const isTraced = process.env['BYGONE_TRACE'] === '1'

/** What fuse-native can't carry: see the header of src/fuse/fuse-native-transport.ts. */
const fuseNativeAbilities: Abilities = {
  ...allAbilities,
  callers: false,
  temporaryFiles: false,
  renameFlags: false,
  fallocate: false,
  // To libfuse 2 each name is a file of its own, with its own cached size.
  hardLinks: false,
  unlinkedFiles: false,
  accessLists: false,
  anyNames: false,
  exactTimes: false,
  hugeFiles: false,
}
const fuseNativeBlindness = { without: ['listing'], unlikeOrigin: ['mtime', 'ctime'] } as const

async function round(seed: number, options: TestVolumeOptions, chunkBytes: number): Promise<void> {
  const volume = await TestVolume.mounted(options)
  const oracle = new Oracle(new OracleVolume(volume), {
    seed,
    chunkBytes,
    directory: volume.directory,
    ...(options.transport === 'fuse-native'
      ? { abilities: fuseNativeAbilities, ...fuseNativeBlindness }
      : { abilities: allAbilities }),
    ...(isTraced
      ? {
          log: (line: string) => {
            console.log(Date.now() % 10_000_000, line)
          },
        }
      : {}),
  })
  const stages = 8
  const burst = Math.ceil(operationsPerRound / stages / 2)
  for (let stage = 0; stage < stages; stage++) {
    await oracle.operate(burst)
    await oracle.snapshot()
    await oracle.operate(burst)
    await oracle.verifyOne()
    if (stage % 2 === 1) await oracle.deleteOne()
    if (stage % 4 === 1) await oracle.remount()
    if (stage % 2 === 0) await oracle.killWhileOperating()
  }
  await oracle.verifyAll()
  await oracle.remount()
  await oracle.verifyAll()
  await oracle.killAtRest()
  await oracle.verifyAll()
  await oracle.stop()
  // None can be deleted before there are four.
  expect(oracle.snapshots).toBe(stages - 3)
  await volume.destroy()
}

describeMount('every snapshot equals what was copied aside at its cut, for ever', () => {
  const configurations: [string, TestVolumeOptions, number][] = [
    ['over the origin, chunks of 4 KiB', { chunkSize: '4K' }, 4096],
    ['at its own mount point, chunks of 64 KiB', { isMountedOver: false }, 65536],
    [
      'strict, with a store of its own, chunks of 64 KiB',
      { durability: 'strict', isStoreApart: true },
      65536,
    ],
    [
      'over fuse-native, chunks of 4 KiB',
      { transport: 'fuse-native', chunkSize: '4K', isMountedOver: false },
      4096,
    ],
    ['over fuse-native over the origin', { transport: 'fuse-native' }, 65536],
  ]

  test.each(configurations)('%s', async (name, options, chunkBytes) => {
    const end = Date.now() + roundsDeadlineMs
    let seed = seedOfThisRun()
    do {
      console.log(`BYGONE_SEED=${seed} BYGONE_OPERATIONS=${operationsPerRound} (${name})`)
      await round(seed, options, chunkBytes)
      seed++
    } while (Date.now() < end)
  })
})
