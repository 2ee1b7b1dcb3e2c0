import type { ByteString } from '../../../src/base/bytes.js'
import type { Label, ObjectId } from '../../../src/base/ids.js'
import { isKept } from '../../../src/base/rules.js'
import { VolumeStore } from '../../../src/store/volume-store.js'
import { SimDisk } from './sim-disk.js'

const directory = '/store/volumes/other'
const records = 300

/** One with seeds, and one for the time in which that rule is broken. */
const made = new Map<boolean, Buffer>()

/** A segment of another volume, of sound records with high numbers that claim to be durable. */
export function foreignJournal(): Buffer {
  const hasSeed = isKept('segment.seed')
  const known = made.get(hasSeed) ?? make()
  made.set(hasSeed, known)
  return known
}

function make(): Buffer {
  const disk = SimDisk.empty()
  const store = VolumeStore.open({ directory, durability: 'strict', bootId: 'another', disk })
  for (let at = 0; at < records; at++) {
    const change = store.change()
    const element = { object: at as ObjectId, type: 8 }
    change.addName(5 as ObjectId, `name ${at}` as ByteString, 1 as Label, element)
    store.commit(change)
  }
  store.close()
  const fd = disk.open(`${directory}/journal/00000001.seg`, 'reading')
  const bytes = Buffer.alloc(disk.sizeOf(fd))
  disk.read(fd, bytes, 0, bytes.length, 0)
  return bytes
}
