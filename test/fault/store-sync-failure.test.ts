import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { native, type BackgroundSync, type ChunkStage } from '../../src/base/native.js'
import { RealDisk } from '../../src/store/real-disk.js'
import type { VolumeStore } from '../../src/store/volume-store.js'
import {
  addName,
  label,
  name,
  object,
  openStore,
  temporaryDirectory,
} from '../support/store-fixture.js'

const EIO = -5
const failed = expect.objectContaining({ code: 'EIO' }) as Error
const element = { object: object(9), type: 8 }

function ioError(): Error {
  return Object.assign(new Error('EIO'), { code: 'EIO', errno: EIO })
}

describe('a disk that fails to sync', () => {
  let directory: string

  beforeEach(() => {
    directory = join(temporaryDirectory(), 'volume')
  })

  function names(store: VolumeStore): string[] {
    return [...store.listNames(object(5), label(1)).keys()].sort()
  }

  test('ends all commits, though later syncs would succeed; what is there can be read', () => {
    let errors = 0
    class FailingSync extends native().BackgroundSync {
      override error(): number {
        return errors-- > 0 ? EIO : 0
      }
    }
    class FailingDisk extends RealDisk {
      override newBackgroundSync(intervalMs: number): BackgroundSync {
        return new FailingSync(intervalMs)
      }
    }
    const store = openStore(directory, { disk: new FailingDisk() })
    addName(store, 5, 'before', 1, element)
    errors = 1
    expect(() => {
      addName(store, 5, 'during', 1, element)
    }).toThrow(failed)
    expect(() => {
      addName(store, 5, 'after', 1, element)
    }).toThrow(failed)
    expect(() => {
      store.flush()
    }).toThrow(failed)
    expect(() => store.syncFd()).toThrow(failed)
    expect(names(store)).toEqual(['before'])
    store.close()

    const again = openStore(directory)
    addName(again, 5, 'later', 1, element)
    expect(names(again)).toEqual(['before', 'later'])
  })

  test('strict: fails the commit whose record it could not sync', () => {
    let errors = 0
    class FailingDisk extends RealDisk {
      override syncData(fd: number): void {
        if (errors-- > 0) throw ioError()
        super.syncData(fd)
      }
    }
    const store = openStore(directory, { durability: 'strict', disk: new FailingDisk() })
    addName(store, 5, 'before', 1, element)
    errors = 1
    expect(() => {
      addName(store, 5, 'during', 1, element)
    }).toThrow(failed)
    expect(() => {
      addName(store, 5, 'after', 1, element)
    }).toThrow(failed)
    expect(store.findName(object(5), name('during'), label(1))).toBeUndefined()
    store.close()
    expect(names(openStore(directory))).toContain('before')
  })

  test('a segment that could not be synced is not followed by another', () => {
    const segments = () =>
      readdirSync(join(directory, 'journal')).filter((name) => name.endsWith('.seg'))
    class FailingDisk extends RealDisk {
      override syncData(fd: number): void {
        if (segments().length > 1) throw ioError()
        super.syncData(fd)
      }
    }
    const store = openStore(directory, { segmentBytesMax: 1000, disk: new FailingDisk() })
    const commitMany = (): void => {
      for (let at = 0; at < 100; at++) addName(store, 5, `name ${at}`, 1, element)
    }
    // The first segment is synced before the second is begun; the second fails.
    expect(commitMany).toThrow(failed)
    expect(segments()).toEqual(['00000001.seg', '00000002.seg'])
    expect(commitMany).toThrow(failed)
  })

  test('a volume whose journal failed is recovered when it is opened again, not taken as closed', () => {
    class FailingSync extends native().BackgroundSync {
      override syncNow(): number {
        return EIO
      }
    }
    class FailingDisk extends RealDisk {
      override newBackgroundSync(intervalMs: number): BackgroundSync {
        return new FailingSync(intervalMs)
      }
    }
    const store = openStore(directory, { disk: new FailingDisk() })
    addName(store, 5, 'before', 1, element)
    store.close()
    const again = openStore(directory, { bootId: 'another run' })
    expect(again.recovery.wasIndexRebuilt).toBe(true)
    expect(names(again)).toEqual(['before'])
  })

  test('a record that could be written only in part is taken back', () => {
    let shortWrites = 0
    class ShortStage extends native().ChunkStage {
      override writeRecord(fd: number, offset: number, header: Uint8Array, bytes: number): number {
        if (shortWrites-- > 0) return super.writeRecord(fd, offset, header, 17)
        return super.writeRecord(fd, offset, header, bytes)
      }
    }
    class ShortDisk extends RealDisk {
      override newStage(capacityBytes: number): ChunkStage {
        return new ShortStage(capacityBytes)
      }
    }
    const store = openStore(directory, { disk: new ShortDisk() })
    addName(store, 5, 'before', 1, element)
    const bytes = store.stats().journalBytes
    shortWrites = 1
    expect(() => {
      addName(store, 5, 'part', 1, element)
    }).toThrow(expect.objectContaining({ code: 'ENOSPC' }))
    expect(store.stats().journalBytes).toBe(bytes)
    addName(store, 5, 'after', 1, element)
    expect(names(store)).toEqual(['after', 'before'])
    store.close()
    expect(names(openStore(directory))).toEqual(['after', 'before'])
  })
})
