import { expect, test } from 'vitest'
import { Random, seedOfThisRun } from '../support/random.js'
import { describeMount } from '../support/requirements.js'
import { StampedCrew } from '../support/stamped-crew.js'
import { TestVolume, type TestVolumeOptions } from '../support/test-volume.js'

// Goal: no byte of the present in the past, whatever happens at the same time. Method: eight processes write
// to the same chunks, make, replace, cut, rename and remove files, and look at snapshots, while one snapshot
// after the other is cut, and the daemon is delayed, at random, at each of its steps. Every block says when it was
// written; every later look at a snapshot must be like the first.

const crewOf = { files: 3, blocks: 512, writers: 3, churners: 2, readers: 3, isMapped: true }
const snapshots = 10

const configurations: [string, TestVolumeOptions, string][] = [
  ['chunks of 4 KiB, delayed at each step of a cut', { chunkSize: '4K' }, 'snapshot.*=delay:20'],
  [
    'chunks of 64 KiB, delayed while they are preserved',
    {},
    'preserve.*=delay:1,journal.*=delay:1',
  ],
  [
    'at its own mount point, delayed around each change',
    { chunkSize: '16K', isMountedOver: false },
    'rename.*=delay:2,retire.*=delay:2,create.*=delay:1,truncate.*=delay:2,write.*=delay:0.5',
  ],
]

describeMount('snapshots that are cut and read while eight processes work', () => {
  test.each(configurations)('are what they were at their cut: %s', async (_, options, delays) => {
    const seed = seedOfThisRun()
    console.log(`BYGONE_SEED=${seed}`)
    const volume = new TestVolume(options)
    volume.variables = { BYGONE_FAULTS: delays, BYGONE_FAULTS_SEED: String(seed) }
    await volume.mount()
    const crew = new StampedCrew(volume, new Random(seed), crewOf)
    await crew.prepare()
    crew.start()
    for (let count = 0; count < snapshots; count++) await crew.snapshot(() => volume.snapshot())
    await crew.stop()
    await crew.reread()
    console.log(crew.counts)
    expect(crew.counts.operations).toBeGreaterThan(100)
  })
})
