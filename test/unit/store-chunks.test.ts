import { closeSync, ftruncateSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { native } from '../../src/base/native.js'
import { ReadPlan } from '../../src/base/read-plan.js'
import type { ChunkPlace } from '../../src/store/elements.js'
import { planPlace } from '../../src/store/place-plan.js'
import type { VolumeStore } from '../../src/store/volume-store.js'
import { chunk, label, object, openStore, temporaryDirectory } from '../support/store-fixture.js'

const chunkBytes = 65536
const file = object(7)

/** The bytes that a plan for [skip, skip + length) of the chunk reads. */
function read(
  store: VolumeStore,
  place: ChunkPlace | undefined,
  skip: number,
  length: number,
): Buffer {
  if (place === undefined) throw new Error('not preserved')
  const plan = new ReadPlan()
  plan.begin(0)
  store.addPlace(plan, place, skip, length)
  expect(plan.lengthBytes).toBe(length)
  const bytes = Buffer.alloc(length, 0xee)
  const result = native().readByPlan(plan.words, plan.pieceCount, 0, 0, bytes)
  expect(result).toBe(length)
  return bytes
}

describe('preserved chunks', () => {
  let store: VolumeStore
  let fd: number

  beforeEach(() => {
    const directory = temporaryDirectory()
    mkdirSync(join(directory, 'data'))
    fd = openSync(join(directory, 'data', 'file'), 'w+')
    onTestFinished(() => {
      closeSync(fd)
    })
    store = openStore(join(directory, 'volume'))
  })

  /** Preserves the chunks and returns where they are. */
  function preserve(first: number, count: number, sizeBytes: number): (ChunkPlace | undefined)[] {
    store.preserveChunks(file, label(1), fd, chunk(first), count, chunkBytes, sizeBytes)
    return store.findChunks(file, chunk(first), count, label(1))
  }

  test('keep what the file held, though it changes', () => {
    writeSync(fd, Buffer.alloc(3 * chunkBytes, 'old'))
    const places = preserve(0, 3, 3 * chunkBytes)
    writeSync(fd, Buffer.alloc(3 * chunkBytes, 'new'), 0, 3 * chunkBytes, 0)
    for (const [at, place] of places.entries()) {
      const expected = Buffer.alloc(3 * chunkBytes, 'old').subarray(at * chunkBytes)
      expect(read(store, place, 0, chunkBytes)).toEqual(expected.subarray(0, chunkBytes))
      expect(read(store, place, 100, 50)).toEqual(expected.subarray(100, 150))
    }
  })

  test('keep holes as holes, and read them as zeros', () => {
    ftruncateSync(fd, chunkBytes)
    writeSync(fd, Buffer.alloc(4096, 'a'), 0, 4096, 8192)
    writeSync(fd, Buffer.alloc(8192, 'b'), 0, 8192, 32768)
    const [place] = preserve(0, 1, chunkBytes)
    expect([...(place?.extents ?? [])]).toEqual([8192, 4096, 32768, 8192])
    expect(place?.dataBytes).toBe(12288)
    const expected = Buffer.alloc(chunkBytes)
    expected.fill('a', 8192, 12288)
    expected.fill('b', 32768, 40960)
    expect(read(store, place, 0, chunkBytes)).toEqual(expected)
    for (const [skip, length] of [
      [0, 8192],
      [4096, 4097],
      [12000, 30000],
      [40000, 960],
      [40960, 1],
      [65535, 1],
    ] as const) {
      expect(read(store, place, skip, length)).toEqual(expected.subarray(skip, skip + length))
    }
  })

  test('a chunk that is all hole takes no bytes in the journal', () => {
    ftruncateSync(fd, 100 * chunkBytes)
    const before = store.stats().journalBytes
    const places = preserve(0, 100, 100 * chunkBytes)
    expect(store.stats().journalBytes - before).toBeLessThan(100 * 64)
    expect(places.every((place) => place?.dataBytes === 0)).toBe(true)
    expect(read(store, places[50], 10, 1000)).toEqual(Buffer.alloc(1000))
  })

  test('the last one ends where the file ended for the snapshot', () => {
    writeSync(fd, Buffer.alloc(2 * chunkBytes, 'x'))
    const [whole, part, beyond] = preserve(0, 3, chunkBytes + 1000)
    expect(whole?.dataBytes).toBe(chunkBytes)
    expect(part?.dataBytes).toBe(1000)
    // An older snapshot, to which the file was longer, reads zeros there.
    expect(beyond).toMatchObject({ dataBytes: 0 })
    expect(read(store, part, 990, 20)).toEqual(
      Buffer.concat([Buffer.alloc(10, 'x'), Buffer.alloc(10)]),
    )
  })

  test('more than fits into one record go into several', () => {
    const count = 200
    for (let at = 0; at < count; at++) writeSync(fd, Buffer.alloc(chunkBytes, at % 251))
    const places = preserve(0, count, count * chunkBytes)
    expect(store.stats().recordsWritten).toBeGreaterThan(1)
    for (const [at, place] of places.entries()) {
      expect(read(store, place, 5, 3)).toEqual(Buffer.alloc(3, at % 251))
    }
  })

  test('a file that can not be read leaves nothing behind, and the next chunk is right', () => {
    const directory = openSync(temporaryDirectory(), 'r')
    onTestFinished(() => {
      closeSync(directory)
    })
    const before = store.stats()
    expect(() => {
      store.preserveChunks(file, label(1), directory, chunk(0), 1, chunkBytes, chunkBytes)
    }).toThrow(expect.objectContaining({ code: 'EISDIR' }))
    expect(store.stats()).toEqual(before)
    writeSync(fd, Buffer.alloc(chunkBytes, 'y'))
    const [place] = preserve(0, 1, chunkBytes)
    expect(read(store, place, 0, chunkBytes)).toEqual(Buffer.alloc(chunkBytes, 'y'))
  })

  test('of the largest size with a hole in every other page come back', () => {
    const large = 4 << 20
    ftruncateSync(fd, large)
    for (let at = 0; at < large; at += 8192) writeSync(fd, Buffer.alloc(4096, 'z'), 0, 4096, at)
    store.preserveChunks(file, label(1), fd, chunk(0), 1, large, large)
    const [place] = store.findChunks(file, chunk(0), 1, label(1))
    expect(place?.dataBytes).toBe(large / 2)
    expect(place?.extents).toHaveLength(2 * 512)
    const expected = Buffer.concat([Buffer.alloc(4096, 'z'), Buffer.alloc(4096)])
    expect(read(store, place, large - 8192, 8192)).toEqual(expected)
  })
})

describe('a plan for a part of a chunk', () => {
  test('has the record and hole pieces that lie in it, whatever the extents', () => {
    const place = {
      segment: 1,
      dataOffset: 1000,
      dataBytes: 30,
      crc: 0xffffffff,
      extents: Uint32Array.of(10, 10, 40, 20),
    }
    const data = Buffer.alloc(100)
    data.fill(1, 10, 20)
    data.fill(2, 40, 60)
    const run = Buffer.concat([data.subarray(10, 20), data.subarray(40, 60)])
    for (let skip = 0; skip < 100; skip++) {
      for (let length = 1; skip + length <= 100; length++) {
        const plan = new ReadPlan()
        plan.begin(0)
        planPlace(plan, place, 5, skip, length)
        const pieces: Buffer[] = []
        for (let at = 0; at < plan.pieceCount * 7; at += 7) {
          const [kind, bytes, fd, offset, runBytes, crc, skipInRun] = plan.words.slice(at, at + 7)
          if (kind === ReadPlan.kindHole) pieces.push(Buffer.alloc(bytes ?? 0))
          else {
            expect([kind, fd, offset, runBytes, crc]).toEqual([2, 5, 1000, 30, 0xffffffff])
            pieces.push(run.subarray(skipInRun, (skipInRun ?? 0) + (bytes ?? 0)))
          }
        }
        expect(Buffer.concat(pieces).equals(data.subarray(skip, skip + length))).toBe(true)
      }
    }
  })
})
