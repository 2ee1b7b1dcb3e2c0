import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { native } from '../../src/base/native.js'
import { ReadPlan } from '../../src/base/read-plan.js'
import type { ChunkPlace, PreservedAttributes } from '../../src/store/elements.js'
import { VolumeStore } from '../../src/store/volume-store.js'
import { NaiveElements } from '../support/naive-elements.js'
import { Random, seedOfThisRun } from '../support/random.js'
import {
  chunk,
  label,
  name,
  object,
  randomAttributes,
  randomLocation,
  randomName,
  randomType,
  temporaryDirectory,
} from '../support/store-fixture.js'

// Goal: whatever was put, in any order and under any labels, every lookup answers as a plain list
// would: while it is pending, when it is indexed, after reopening, after a crash, after the index
// was lost. Method: random puts and reopenings against NaiveElements; few objects, names, chunks
// and labels, so that they meet.

const seed = seedOfThisRun()
const labelsMax = 12
const chunksMax = 20
const chunkBytes = 4096
/** Neighbours in the index, and far ones. */
const objects = [1, 2, 3, 255, 256, 2 ** 32, 2 ** 53 - 1]

class World {
  readonly #random: Random
  readonly #directory = temporaryDirectory()
  readonly #naive = new NaiveElements()
  readonly #names: readonly string[]
  readonly #fd: number
  #store: VolumeStore

  constructor(random: Random) {
    this.#random = random
    this.#names = Array.from({ length: 8 }, () => randomName(random))
    mkdirSync(join(this.#directory, 'data'))
    this.#fd = openSync(join(this.#directory, 'data', 'file'), 'w+')
    this.#store = this.#open()
  }

  step(): void {
    const random = this.#random
    const act = random.weighted<() => void>([
      [this.#putName, 30],
      [this.#putAttributes, 10],
      [this.#putLocation, 10],
      [this.#putDrift, 1],
      [this.#putChunks, 15],
      [this.#index, 5],
      [this.#reopen, 0.5],
      [this.#loseIndex, 0.3],
      [this.#look, 60],
    ])
    act()
  }

  close(): void {
    this.lookAtAll()
    this.#store.close()
    closeSync(this.#fd)
  }

  lookAtAll(): void {
    for (const at of objects) {
      for (let from = 0; from <= labelsMax + 1; from++) this.#lookAt(at, from)
    }
  }

  #open(): VolumeStore {
    return VolumeStore.open({
      directory: join(this.#directory, 'volume'),
      durability: 'ordered',
      segmentBytesMax: 1 << 18,
    })
  }

  readonly #look = (): void => {
    this.#lookAt(this.#random.pick(objects), this.#random.between(0, labelsMax + 1))
  }

  readonly #index = (): void => {
    this.#store.indexPending()
  }

  readonly #reopen = (): void => {
    this.#store.close()
    this.#store = this.#open()
  }

  readonly #loseIndex = (): void => {
    this.#store.close()
    rmSync(join(this.#directory, 'volume', 'index'), { recursive: true })
    this.#store = this.#open()
  }

  readonly #putName = (): void => {
    const random = this.#random
    const change = this.#store.change()
    for (let count = random.between(1, 3); count > 0; count--) {
      const put = {
        at: random.pick(objects),
        named: random.pick(this.#names),
        under: this.#label(),
      }
      const value = { object: object(random.pick([0, ...objects])), type: randomType(random) }
      change.addName(object(put.at), name(put.named), label(put.under), value)
      this.#naive.put({
        table: 'name',
        object: put.at,
        address: put.named,
        label: put.under,
        value,
      })
    }
    this.#store.commit(change)
  }

  readonly #putAttributes = (): void => {
    const at = this.#random.pick(objects)
    const under = this.#label()
    const value = randomAttributes(this.#random)
    const change = this.#store.change()
    change.addAttributes(object(at), label(under), value)
    this.#store.commit(change)
    this.#naive.put({ table: 'attributes', object: at, address: 0, label: under, value })
  }

  readonly #putLocation = (): void => {
    const at = this.#random.pick(objects)
    const value = randomLocation(this.#random)
    const change = this.#store.change()
    change.addLocation(object(at), value)
    this.#store.commit(change)
    this.#naive.put({ table: 'location', object: at, address: 0, label: 0, value })
  }

  readonly #putDrift = (): void => {
    const at = this.#random.pick(objects)
    const labels = Array.from({ length: labelsMax }, (_, each) => each + 1)
    const chosen = labels.filter(() => this.#random.isLikely(2 / labelsMax))
    if (chosen.length === 0) return
    const change = this.#store.change()
    change.addDrift(object(at), chosen.map(label))
    this.#store.commit(change)
    this.#naive.setDrifts(at, chosen)
  }

  readonly #putChunks = (): void => {
    const at = this.#random.pick(objects)
    const under = this.#label()
    const first = this.#random.below(chunksMax)
    const count = this.#random.between(1, chunksMax - first)
    const bytes = Buffer.alloc(chunkBytes, this.#random.below(256))
    for (let each = first; each < first + count; each++) {
      bytes.writeDoubleLE(this.#random.next())
      writeSync(this.#fd, bytes, 0, chunkBytes, each * chunkBytes)
      const value = Buffer.from(bytes)
      this.#naive.put({ table: 'chunk', object: at, address: each, label: under, value })
    }
    const fileBytes = chunksMax * chunkBytes
    const from = chunk(first)
    this.#store.preserveChunks(
      object(at),
      label(under),
      this.#fd,
      from,
      count,
      chunkBytes,
      fileBytes,
    )
  }

  #label(): number {
    return this.#random.between(1, labelsMax)
  }

  #lookAt(at: number, from: number): void {
    const store = this.#store
    const naive = this.#naive
    const listed = new Map<string, unknown>()
    for (const named of this.#names) {
      const expected = naive.find('name', at, named, from)
      if (expected !== undefined) listed.set(named, expected)
      expect(store.findName(object(at), name(named), label(from))).toEqual(expected)
      const isThere = naive.has('name', at, named, from)
      expect(store.hasName(object(at), name(named), label(from))).toBe(isThere)
    }
    expect(store.listNames(object(at), label(from))).toEqual(listed)
    const attributes = naive.find('attributes', at, 0, from)
    expect(store.findAttributes(object(at), label(from))).toEqual(attributes)
    const hasAttributes = naive.has('attributes', at, 0, from)
    expect(store.hasAttributes(object(at), label(from))).toBe(hasAttributes)
    const before = naive.before('attributes', at, from) as PreservedAttributes | undefined
    if (from > 0)
      expect(store.sizeMaxBefore(object(at), label(from))).toBe(before?.sizeMaxBytes ?? 0)
    expect(store.drifts(object(at))).toEqual(naive.drifts(at))
    expect(store.drift(object(at))).toBe(naive.drifts(at).at(-1) ?? 0)
    expect(store.location(object(at))).toEqual(naive.find('location', at, 0, 0))
    this.#lookAtChunks(at, from)
  }

  #lookAtChunks(at: number, from: number): void {
    const first = this.#random.below(chunksMax)
    const count = this.#random.between(1, chunksMax - first + 2)
    const places = this.#store.findChunks(object(at), chunk(first), count, label(from))
    expect(places).toHaveLength(count)
    for (const [index, place] of places.entries()) {
      const expected = this.#naive.find('chunk', at, first + index, from) as Buffer | undefined
      expect(place === undefined).toBe(expected === undefined)
      if (place !== undefined && expected !== undefined) {
        expect(this.#read(place).equals(expected)).toBe(true)
      }
      const isThere = this.#naive.has('chunk', at, first + index, from)
      expect(this.#store.hasChunk(object(at), chunk(first + index), label(from))).toBe(isThere)
    }
    const present = [...this.#naive.addresses('chunk', at)].map(Number).sort((a, b) => a - b)
    expect(this.#store.hasAnyChunk(object(at))).toBe(present.length > 0)
    const next = present.find((each) => each >= first)
    expect(this.#store.nextChunk(object(at), chunk(first))).toBe(next)
  }

  #read(place: ChunkPlace): Buffer {
    const plan = new ReadPlan()
    plan.begin(0)
    this.#store.addPlace(plan, place, 0, chunkBytes)
    const bytes = Buffer.alloc(chunkBytes)
    const read = native().readByPlan(plan.words, plan.pieceCount, 0, 0, bytes)
    expect(read).toBe(chunkBytes)
    return bytes
  }
}

describe(`elements against a plain list (BYGONE_SEED=${seed})`, () => {
  test.each(Array.from({ length: 20 }, (_, round) => round))('history %i', (round) => {
    const world = new World(new Random(seed + round))
    for (let steps = 0; steps < 400; steps++) world.step()
    world.close()
  })
})
