import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Oracle } from '../support/oracle.js'
import { OracleVolume } from '../support/oracle-volume.js'
import { Random, seedOfThisRun } from '../support/random.js'
import { describeMount } from '../support/requirements.js'
import { type DiskKind, SmallDisk } from '../support/small-disk.js'
import { TestVolume } from '../support/test-volume.js'
import type { Aspect } from '../support/tree.js'

// Goal: a full disk stops what needs space, with ENOSPC, and nothing else: no snapshot changes, nothing is half
// done; a volume on it can be snapshotted, unmounted, killed and mounted, and goes on when there is space again.
// Method: random operations on real file systems that are filled beside the mount, against the oracle.

/** What is filled: 'all' is one disk with the origin and the store on it. */
type Place = 'all' | 'store' | 'origin'

interface Scene {
  kind: DiskKind
  place: Place
  /** So many are left, and no more; undefined: the blocks run out. */
  inodes?: number
}

const scenes: Scene[] = [
  { kind: 'ext4', place: 'all' },
  { kind: 'ext4', place: 'store' },
  { kind: 'ext4', place: 'origin' },
  { kind: 'ext4', place: 'all', inodes: 3 },
  { kind: 'xfs', place: 'all' },
  { kind: 'btrfs', place: 'all' },
]

/** What a file system shows otherwise than ext4, on which the mirror is, or otherwise from one look to the next. */
const unlike: Record<DiskKind, readonly Aspect[]> = {
  ext4: [],
  xfs: ['blocks'],
  btrfs: ['blocks', 'linkCounts'],
}

const isTraced = process.env['BYGONE_TRACE'] === '1'

class PlainBeside extends OracleVolume {
  readonly #origin: string

  constructor(volume: TestVolume) {
    super(volume)
    this.#origin = volume.origin
  }

  override get plain(): string {
    return this.#origin
  }
}

describeMount('a disk that is full', () => {
  test.each(scenes)('stops what needs space and nothing else: %j', async (scene) => {
    const seed = seedOfThisRun()
    const random = new Random(seed)
    const { kind, place, inodes } = scene
    const volume = new TestVolume({ isStoreApart: place !== 'all', isMountedOver: false })
    const path = place === 'store' ? volume.store : volume.origin
    const disk = await SmallDisk.make(path, {
      kind,
      ...(inodes === undefined ? {} : { inodes: 1024 }),
    })
    await volume.mount()
    if (existsSync(join(path, '.bygone'))) disk.hideBallast('.bygone')
    const oracle = new Oracle(new PlainBeside(volume), {
      seed,
      chunkBytes: 65536,
      directory: volume.directory,
      without: unlike[kind],
      ...(isTraced ? { log: console.log } : {}),
    })
    const fill = () => {
      if (inodes === undefined) disk.fill(random.below(2) * random.below(400_000))
      else disk.takeInodes(random.below(inodes))
    }

    await oracle.operate(50)
    await oracle.snapshot()
    await oracle.operate(15)
    fill()
    let refused = await oracle.operateOnFullDisk(25)
    await oracle.snapshot()
    refused += await oracle.operateOnFullDisk(10)
    await oracle.killAtRest()
    await oracle.verifyAll()
    refused += await oracle.operateOnFullDisk(10)
    // XFS finds room once more in what it had set aside for files that grow.
    for (let tries = 0; refused === 0 && tries < 5; tries++) {
      fill()
      refused += await oracle.operateOnFullDisk(10)
    }
    await oracle.remount()
    await oracle.verifyAll()
    expect(refused).toBeGreaterThan(0)
    disk.free()
    await oracle.operate(25)
    await oracle.snapshot()
    await oracle.remount()
    await oracle.verifyAll()
    await oracle.stop()
    await volume.unmount()
  })
})
