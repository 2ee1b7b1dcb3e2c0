import type { ByteString } from '../../../src/base/bytes.js'
import type { ChunkIndex, Label, ObjectId } from '../../../src/base/ids.js'
import { LiveLabels } from '../../../src/store/live-labels.js'
import { VolumeStore } from '../../../src/store/volume-store.js'
import { Random } from '../random.js'
import { SimDisk } from './sim-disk.js'

const directory = '/store/volumes/one'
const object = 5 as ObjectId
const deleted = 1 as Label
const kept = 2 as Label
const chunkBytes = 8192

/**
 * What CrashStory would meet too seldom: of a record that no later one claims to be durable the data is given back, and
 * then the power goes.
 */
export class PunchStory {
  /** Throws if what follows that record is lost. */
  run(): void {
    const disk = SimDisk.empty()
    const store = VolumeStore.open({ directory, durability: 'ordered', bootId: 'one', disk })
    const fd = disk.open('/file', 'make new')
    disk.write(fd, Buffer.alloc(chunkBytes, 1), 0)
    store.preserveChunks(object, deleted, fd, 0 as ChunkIndex, 1, chunkBytes, chunkBytes)
    const change = store.change()
    change.addName(object, 'kept' as ByteString, kept, { object, type: 8 })
    store.commit(change)
    const sweep = store.sweep(new LiveLabels([kept]))
    while (!sweep.step(10).isEnd);
    const after = disk.copy()
    after.losePower({ random: new Random(1), keeps: 1, tears: 0 }, true)
    const again = VolumeStore.open({ directory, durability: 'ordered', bootId: 'two', disk: after })
    if (again.findName(object, 'kept' as ByteString, kept) === undefined) {
      throw new Error('a record is lost that was on the disk')
    }
  }
}
