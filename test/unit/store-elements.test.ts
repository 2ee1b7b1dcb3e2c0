import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { crc32cOf } from '../../src/store/checksum.js'
import { native } from '../../src/base/native.js'
import type { NameElement } from '../../src/store/elements.js'
import { LmdbCursor } from '../../src/store/lmdb-cursor.js'
import type { VolumeStore } from '../../src/store/volume-store.js'
import { Random } from '../support/random.js'
import {
  addName,
  label,
  name,
  object,
  openStore,
  randomAttributes,
  randomLocation,
  temporaryDirectory,
} from '../support/store-fixture.js'

const absent: NameElement = { object: 0, type: 0 }
const largest = 2 ** 53 - 1

describe('elements', () => {
  let directory: string
  let store: VolumeStore

  beforeEach(() => {
    directory = join(temporaryDirectory(), 'volume')
    store = openStore(directory)
  })

  /**
   * Runs the observations while the elements are pending, when they are indexed, and after
   * reopening.
   */
  function always(observe: () => void): void {
    observe()
    store.indexPending()
    observe()
    store.close()
    store = openStore(directory)
    observe()
  }

  test('attributes come back as they were, every field and every xattr', () => {
    const random = new Random(1)
    const written = Array.from({ length: 200 }, () => randomAttributes(random))
    for (const [at, preserved] of written.entries()) {
      const change = store.change()
      change.addAttributes(object(largest - at), label(7), preserved)
      store.commit(change)
    }
    always(() => {
      for (const [at, preserved] of written.entries()) {
        expect(store.findAttributes(object(largest - at), label(7))).toEqual(preserved)
      }
    })
  })

  test('an xattr as large as the kernel allows comes back', () => {
    const preserved = randomAttributes(new Random(2))
    const xattrs = [[name('user.big'), Buffer.alloc(65536, 'v')] as const]
    const change = store.change()
    change.addAttributes(object(1), label(1), { ...preserved, xattrs })
    store.commit(change)
    always(() => {
      expect(store.findAttributes(object(1), label(1))?.xattrs).toEqual(xattrs)
    })
  })

  test('locations come back as they were; the newest replaces the one before', () => {
    const random = new Random(3)
    const written = Array.from({ length: 200 }, () => randomLocation(random))
    for (const [at, location] of written.entries()) {
      const change = store.change()
      change.addLocation(object(at + 1), randomLocation(random))
      change.addLocation(object(at + 1), location)
      store.commit(change)
    }
    always(() => {
      for (const [at, location] of written.entries()) {
        expect(store.location(object(at + 1))).toEqual(location)
      }
    })
  })

  test('a location that says nothing is none', () => {
    const change = store.change()
    change.addLocation(object(1), { isRetired: true, places: [], bornAfter: 0, writtenAt: 0 })
    change.addLocation(object(2), { isRetired: true, places: [], bornAfter: 0, writtenAt: 0 })
    change.addLocation(object(2), { isRetired: false, places: [], bornAfter: 0, writtenAt: 0 })
    store.commit(change)
    always(() => {
      expect(store.location(object(1))?.isRetired).toBe(true)
      expect(store.location(object(2))).toBeUndefined()
      expect(store.location(object(3))).toBeUndefined()
    })
  })

  test('a name that begins another is not mistaken for it', () => {
    const names = ['a', 'a\x01', 'ab', 'a\xff', 'a\x01b', '\xff', 'A', 'a'.repeat(255)]
    for (const [at, each] of names.entries()) {
      addName(store, 5, each, 3, { object: object(at + 100), type: 8 })
      addName(store, 6, each, 3, { object: object(at + 200), type: 8 })
    }
    always(() => {
      for (const [at, each] of names.entries()) {
        expect(store.findName(object(5), name(each), label(1))).toEqual({
          object: at + 100,
          type: 8,
        })
        expect(store.findName(object(5), name(each), label(4))).toBeUndefined()
      }
      expect(store.findName(object(5), name('aa'), label(1))).toBeUndefined()
      expect(store.findName(object(5), name('a\x01\x01'), label(1))).toBeUndefined()
      expect([...store.listNames(object(5), label(2)).keys()].sort()).toEqual([...names].sort())
    })
  })

  test('a snapshot sees the element with the lowest label at or above its own', () => {
    for (const at of [2, 5, 9]) addName(store, 5, 'x', at, { object: object(at), type: 4 })
    always(() => {
      const seen = Array.from({ length: 11 }, (_, at) => {
        return store.findName(object(5), name('x'), label(at))?.object
      })
      expect(seen).toEqual([2, 2, 2, 5, 5, 5, 9, 9, 9, 9, undefined])
      expect(store.hasName(object(5), name('x'), label(6))).toBe(true)
      expect(store.hasName(object(5), name('x'), label(10))).toBe(false)
      expect(store.newestName(object(5), name('x'))?.label).toBe(9)
    })
  })

  test('what is pending and what is indexed make one list', () => {
    addName(store, 5, 'x', 2, { object: object(2), type: 8 })
    addName(store, 5, 'x', 7, { object: object(7), type: 8 })
    addName(store, 5, 'gone', 7, { object: object(70), type: 8 })
    store.indexPending()
    addName(store, 5, 'x', 5, { object: object(5), type: 8 })
    addName(store, 5, 'gone', 3, absent)
    addName(store, 5, 'new', 9, absent)
    const seen = [1, 3, 6, 8].map((at) => store.findName(object(5), name('x'), label(at))?.object)
    expect(seen).toEqual([2, 5, 7, undefined])
    expect(store.listNames(object(5), label(3))).toEqual(
      new Map([
        ['x', { object: 5, type: 8 }],
        ['gone', absent],
        ['new', absent],
      ]),
    )
    expect(store.listNames(object(5), label(6)).get(name('gone'))).toEqual({ object: 70, type: 8 })
  })

  test('an address written twice under one label keeps the later value', () => {
    addName(store, 5, 'x', 2, absent)
    store.indexPending()
    addName(store, 5, 'x', 2, { object: object(8), type: 8 })
    always(() => {
      expect(store.findName(object(5), name('x'), label(1))).toEqual({ object: 8, type: 8 })
    })
  })

  test('the largest size before a label is that of the next lower element', () => {
    for (const [at, sizeMaxBytes] of [
      [2, 200],
      [5, 500],
    ] as const) {
      const change = store.change()
      const preserved = randomAttributes(new Random(at))
      change.addAttributes(object(9), label(at), { ...preserved, sizeMaxBytes })
      store.commit(change)
    }
    always(() => {
      const sizes = [1, 2, 3, 5, 6, 100].map((at) => store.sizeMaxBefore(object(9), label(at)))
      expect(sizes).toEqual([0, 0, 200, 200, 500, 500])
      expect(store.sizeMaxBefore(object(10), label(3))).toBe(0)
      expect(store.sizeMaxBefore(object(8), label(3))).toBe(0)
    })
  })

  test('a listing costs the same whatever labels lie below', () => {
    const advance = vi.spyOn(LmdbCursor.prototype, 'advance')
    const steps = (at: number): number => {
      advance.mockClear()
      expect(store.listNames(object(5), label(at)).size).toBe(3)
      return advance.mock.calls.length
    }
    for (const each of ['a', 'b', 'c']) {
      for (let at = 1; at <= 100; at++) addName(store, 5, each, at, absent)
    }
    store.indexPending()
    expect(Math.max(steps(1), steps(50), steps(100))).toBeLessThan(30)
    advance.mockRestore()
  })

  test('a change that was given up leaves nothing in the next', () => {
    const change = store.change()
    change.addName(object(5), name('x'), label(1), absent)
    expect(store.change().isEmpty).toBe(true)
    store.commit(store.change())
    expect(store.stats().recordsWritten).toBe(0)
    expect(store.findName(object(5), name('x'), label(1))).toBeUndefined()
  })

  test.each(['', 'a\0b', 'x'.repeat(1025)])('%j is no name', (text) => {
    const change = store.change()
    expect(() => {
      change.addName(object(5), name(text), label(1), absent)
    }).toThrow('not a name')
    expect(change.isEmpty).toBe(true)
  })

  test('one change is one record', () => {
    const change = store.change()
    for (let at = 0; at < 50; at++) change.addName(object(5), name(`n${at}`), label(1), absent)
    store.commit(change)
    expect(store.stats()).toMatchObject({ recordsWritten: 1, indexEntriesAdded: 50 })
  })

  test('a journal that outgrows a segment goes on in the next, and is found whole again', () => {
    store.close()
    store = openStore(directory, { segmentBytesMax: 4096 })
    for (let at = 0; at < 300; at++) {
      addName(store, 5, `name ${at}`, 1, { object: object(at + 1), type: 8 })
    }
    expect(store.stats().segments).toBeGreaterThan(5)
    const files = readdirSync(join(directory, 'journal')).filter((file) => file.endsWith('.seg'))
    expect(files).toHaveLength(store.stats().segments)
    for (const file of files) {
      expect(readFileSync(join(directory, 'journal', file)).length).toBeLessThanOrEqual(4096)
    }
    always(() => {
      expect(store.listNames(object(5), label(1)).size).toBe(300)
    })
  })
})

describe('the checksum', () => {
  test('in TypeScript is that of the addon, at any length and continued anywhere', () => {
    const random = new Random(4)
    const bytes = Buffer.from(Array.from({ length: 2000 }, () => random.below(256)))
    for (let length = 0; length < 2000; length += 37) {
      const split = random.below(length + 1)
      const whole = native().crc32c(bytes.subarray(0, length), 0)
      expect(crc32cOf(bytes, 0, length, 0)).toBe(whole)
      expect(crc32cOf(bytes, split, length, crc32cOf(bytes, 0, split, 0))).toBe(whole)
    }
  })
})
