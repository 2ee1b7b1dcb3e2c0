import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { native, type Native } from '../../src/base/native.js'
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

describe('a disk that fails to sync', () => {
  let directory: string

  beforeEach(() => {
    directory = join(temporaryDirectory(), 'volume')
  })

  /** Puts `instead` in place of a part of the addon until the test ends. */
  function replace<Part extends 'BackgroundSync' | 'ChunkStage' | 'fsync'>(
    part: Part,
    instead: Native[Part],
  ): void {
    const addon = native()
    const before = addon[part]
    addon[part] = instead
    onTestFinished(() => {
      addon[part] = before
    })
  }

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
    replace('BackgroundSync', FailingSync)
    const store = openStore(directory)
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
    const store = openStore(directory, { durability: 'strict' })
    addName(store, 5, 'before', 1, element)
    let errors = 1
    const fsync = native().fsync.bind(native())
    replace('fsync', (fd, dataOnly) => (errors-- > 0 ? EIO : fsync(fd, dataOnly)))
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
    const store = openStore(directory, { segmentBytesMax: 1000 })
    const fsync = native().fsync.bind(native())
    const path = join(directory, 'journal')
    replace('fsync', (fd, dataOnly) => (readdirSync(path).length > 1 ? EIO : fsync(fd, dataOnly)))
    const commitMany = (): void => {
      for (let at = 0; at < 100; at++) addName(store, 5, `name ${at}`, 1, element)
    }
    // The first segment is synced before the second is begun; the second fails.
    expect(commitMany).toThrow(failed)
    expect(readdirSync(path)).toEqual(['00000001.seg', '00000002.seg'])
    expect(commitMany).toThrow(failed)
  })

  test('a volume whose journal failed is recovered when it is opened again, not taken as closed', () => {
    class FailingSync extends native().BackgroundSync {
      override syncNow(): number {
        return EIO
      }
    }
    const { BackgroundSync } = native()
    replace('BackgroundSync', FailingSync)
    const store = openStore(directory)
    addName(store, 5, 'before', 1, element)
    store.close()
    native().BackgroundSync = BackgroundSync
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
    replace('ChunkStage', ShortStage)
    const store = openStore(directory)
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
