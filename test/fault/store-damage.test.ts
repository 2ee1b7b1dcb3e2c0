import { copyFileSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { Failure } from '../../src/base/failure.js'
import { crc32cOf } from '../../src/store/checksum.js'
import type { VolumeStore, VolumeStoreOptions } from '../../src/store/volume-store.js'
import { CrashedVolume, durableSequenceAt, recordStarts } from '../support/crashed-volume.js'
import { Random, seedOfThisRun } from '../support/random.js'
import { compileStorePrograms } from '../support/store-process.js'
import { countSteps, isChunkOfStep, readChunkOfStep, stateOfStep } from '../support/store-story.js'

const EIO = -5
const seed = seedOfThisRun()
const firstSegment = '00000001.seg'
const steps = 12
/** Steps 0, 3, 6 and 9 have a chunk. */
const chunkSteps = [0, 3, 6, 9]

/** The failure with which the volume does not open. */
function failureOf(volume: CrashedVolume, options: Partial<VolumeStoreOptions> = {}): Failure {
  let store: VolumeStore
  try {
    store = volume.open(options)
  } catch (error) {
    if (error instanceof Failure) return error
    throw error
  }
  store.close()
  throw new Error('it opened')
}

/** Opens it, finds all steps, and closes it. */
function expectWhole(volume: CrashedVolume, expected: Partial<VolumeStore['recovery']> = {}): void {
  const store = volume.open()
  try {
    expect(countSteps(store)).toEqual({ whole: steps, isLastPartly: false })
    expect(store.recovery).toMatchObject(expected)
  } finally {
    store.close()
  }
}

describe(`a damaged journal (BYGONE_SEED=${seed})`, () => {
  compileStorePrograms()
  let volume: CrashedVolume
  let whole: Buffer
  let starts: number[]

  beforeEach(async () => {
    volume = await CrashedVolume.make({ steps })
    whole = volume.segment(firstSegment)
    starts = recordStarts(whole)
  })

  function flip(at: number, bit: number): Buffer {
    const flipped = Buffer.from(whole)
    flipped.writeUInt8(flipped.readUInt8(at) ^ (1 << bit), at)
    return flipped
  }

  /** The chunk bytes of the story, as ranges of the segment. */
  function dataRanges(): [start: number, end: number][] {
    return starts.slice(0, -1).flatMap((start, at) => {
      const end = starts[at + 1] ?? 0
      const dataBytes = whole.readUInt32LE(start + 28)
      return dataBytes > 0 ? [[end - dataBytes, end]] : []
    })
  }

  test('with one bit wrong in any header or body is refused by name and place, and not touched', () => {
    const data = dataRanges()
    const random = new Random(seed)
    for (let at = 0; at < whole.length; at++) {
      const isData = data.some(([start, end]) => at >= start && at < end)
      // Every byte of the first records and of the last; of the others some.
      const isSampled = at < 700 || at >= whole.length - 400 || random.isLikely(0.05)
      if (isData || !isSampled) continue
      const flipped = flip(at, random.below(8))
      volume.loseIndexData()
      volume.write(firstSegment, flipped)
      const { kind, message } = failureOf(volume)
      expect(kind, `byte ${at}`).toBe('damaged')
      expect(message).toContain(join(volume.journal, firstSegment))
      const start = starts.filter((each) => each <= at).at(-1) ?? 0
      expect(message).toContain(`offset ${start} `.trimEnd())
      expect(volume.segment(firstSegment).equals(flipped)).toBe(true)
    }
    volume.loseIndexData()
    volume.write(firstSegment, whole)
    expectWhole(volume, { wasIndexRebuilt: true })
  })

  test('with one bit wrong in a chunk reads that chunk as an error and all else right', () => {
    const random = new Random(seed)
    for (const [index, [start, end]] of dataRanges().entries()) {
      for (let trial = 0; trial < 5; trial++) {
        volume.loseIndexData()
        volume.write(firstSegment, flip(random.between(start, end - 1), random.below(8)))
        const store = volume.open()
        for (const [other, step] of chunkSteps.entries()) {
          const read = readChunkOfStep(store, step)
          if (other === index) expect(read).toBe(EIO)
          else expect(isChunkOfStep(read, step)).toBe(true)
        }
        store.close()
      }
    }
  })

  test('with an index that knows it already is opened: what is asked for is in the index', () => {
    volume.open().close()
    volume.write(firstSegment, flip((starts[2] ?? 0) + 50, 3))
    expectWhole(volume, { wasIndexRebuilt: false, recordsReplayed: 0 })
  })

  test('with bytes after its end that no crash could leave is refused', () => {
    volume.write(firstSegment, Buffer.concat([whole, Buffer.alloc(100)]))
    expect(failureOf(volume).kind).toBe('damaged')
    expect(volume.segment(firstSegment)).toHaveLength(whole.length + 100)
  })

  test('with a record twice is refused', () => {
    const [from = 0, to = 0] = starts.slice(-2)
    volume.write(firstSegment, Buffer.concat([whole, whole.subarray(from, to)]))
    expect(failureOf(volume).kind).toBe('damaged')
  })

  test('that is of another volume is refused', () => {
    const other = join(volume.root, 'other')
    renameSync(volume.directory, other)
    volume.open().close()
    copyFileSync(join(other, 'journal', firstSegment), join(volume.journal, firstSegment))
    expectWhole(volume)
    const elsewhere = join(volume.root, 'elsewhere')
    renameSync(volume.directory, elsewhere)
    expect(() => volume.open({ directory: elsewhere })).toThrow(/belongs to another volume/)
  })

  test('of a newer format is refused with advice', () => {
    const newer = Buffer.from(whole)
    newer.writeUInt32LE(2, 8)
    newer.writeUInt32LE(crc32cOf(newer, 0, 60, 0), 60)
    volume.write(firstSegment, newer)
    const { kind, message } = failureOf(volume)
    expect(kind).toBe('failed')
    expect(message).toMatch(/format 2.*up to 1.*newer bygone/)
  })

  test('that is gone, with an index that shows it was there, is refused', () => {
    rmSync(join(volume.journal, firstSegment))
    const { kind, message } = failureOf(volume)
    expect(kind).toBe('damaged')
    expect(message).toContain('missing')
  })
})

describe('a journal of several segments', () => {
  compileStorePrograms()
  let volume: CrashedVolume

  beforeEach(async () => {
    volume = await CrashedVolume.make({ steps, segmentBytesMax: 12000 })
    expect(volume.segments().length).toBeGreaterThan(3)
  })

  test('is found whole, also without its index', () => {
    expectWhole(volume, { segments: volume.segments().length })
    volume.restore()
    volume.loseIndexData()
    expectWhole(volume, { wasIndexRebuilt: true })
  })

  test('that lacks one is refused, whichever it is', () => {
    for (const name of volume.segments()) {
      const bytes = volume.segment(name)
      rmSync(join(volume.journal, name))
      for (const options of [{}, { bootId: 'another run' }]) {
        const { kind, message } = failureOf(volume, options)
        expect(kind, name).toBe('damaged')
        expect(message).toContain('missing')
      }
      volume.write(name, bytes)
    }
    expectWhole(volume)
  })

  test('in which one is cut short is refused when it is read', () => {
    for (const name of volume.segments().slice(0, -1)) {
      const bytes = volume.segment(name)
      volume.write(name, bytes.subarray(0, bytes.length - 1))
      volume.loseIndexData()
      const { kind, message } = failureOf(volume)
      expect(kind, name).toBe('damaged')
      expect(message).toContain(name)
      volume.write(name, bytes)
    }
  })

  test('in which two are exchanged is refused', () => {
    const [one = '', two = ''] = volume.segments()
    const bytes = volume.segment(one)
    volume.write(one, volume.segment(two))
    volume.write(two, bytes)
    volume.loseIndexData()
    expect(failureOf(volume).kind).toBe('damaged')
  })

  test('in which an empty one follows one that lost its end is refused', () => {
    const names = volume.segments()
    const [newest = '', before = ''] = names.reverse()
    const bytes = volume.segment(before)
    volume.write(newest, volume.segment(newest).subarray(0, 64))
    volume.write(before, bytes.subarray(0, recordStarts(bytes).at(-2)))
    volume.loseIndexData()
    const { kind, message } = failureOf(volume)
    expect(kind).toBe('damaged')
    expect(message).toContain(newest)
  })

  test('with a segment that was never finished goes on without it', () => {
    const unfinished = '00000099.seg.new'
    volume.write(unfinished, Buffer.from('half a hea'))
    expectWhole(volume)
    expect(volume.segments()).not.toContain(unfinished)
  })
})

describe('after the machine has lost power', () => {
  compileStorePrograms()
  const afterRestart = { bootId: 'another run of the machine' }

  /**
   * A volume, and a record of it that is the first of which no later one knows that it was durable.
   */
  async function makeWithWindow(): Promise<{
    volume: CrashedVolume
    whole: Buffer
    starts: number[]
    firstLost: number
  }> {
    for (let attempt = 0; attempt < 50; attempt++) {
      const volume = await CrashedVolume.make({ steps })
      const whole = volume.segment(firstSegment)
      const starts = recordStarts(whole)
      const records = starts.slice(0, -1)
      const durable = Math.max(...records.map((start) => durableSequenceAt(whole, start)))
      // Three records in the window at least, so that one can be lost before others.
      if (durable + 3 <= records.length) return { volume, whole, starts, firstLost: durable }
    }
    throw new Error('the background synced too often')
  }

  test('records that no later one knows to be durable may be lost, and what follows them goes too', async () => {
    const { volume, whole, starts, firstLost } = await makeWithWindow()
    const at = starts[firstLost] ?? 0
    const lost = Buffer.from(whole)
    // A page that never reached the disk.
    lost.fill(0, at, at + 30)
    volume.write(firstSegment, lost)
    const store = volume.open(afterRestart)
    expect(store.recovery).toMatchObject({
      recordsReplayed: firstLost,
      tornBytes: whole.length - at,
    })
    expect(store.stats().journalBytes).toBe(at)
    store.close()
    expect(volume.segment(firstSegment).equals(whole.subarray(0, at))).toBe(true)
  })

  test('a chunk of which the bytes never reached the disk is lost with its record', async () => {
    const { volume, whole, starts, firstLost } = await makeWithWindow()
    const index = starts.findIndex(
      (start, each) =>
        each >= firstLost && start < whole.length && whole.readUInt32LE(start + 28) > 0,
    )
    const at = starts[index] ?? 0
    const lost = Buffer.from(whole)
    const recordEnd = starts[index + 1] ?? 0
    lost.fill(0, recordEnd - 4096, recordEnd)
    volume.write(firstSegment, lost)
    const store = volume.open(afterRestart)
    expect(store.stats().journalBytes).toBe(at)
    expect(store.recovery.recordsReplayed).toBe(index)
    store.close()
  })

  test('a record that was durable and is damaged is not taken for a lost one', async () => {
    const volume = await CrashedVolume.make({ steps, durability: 'strict' })
    const whole = volume.segment(firstSegment)
    const starts = recordStarts(whole)
    // All but the last are known to be durable by the one after.
    for (const [index, start] of starts.slice(0, -2).entries()) {
      for (const [at, length] of [
        [start, 4],
        [start + 24, 4],
        [start + 60, 1],
      ] as const) {
        const damaged = Buffer.from(whole)
        damaged.fill(damaged.readUInt8(at) ^ 0xff, at, at + length)
        volume.write(firstSegment, damaged)
        const { kind, message } = failureOf(volume, afterRestart)
        expect(kind, `record ${index + 1}`).toBe('damaged')
        expect(message).toContain(`record ${index + 1} `)
        expect(volume.segment(firstSegment).equals(damaged)).toBe(true)
        volume.restore()
      }
    }
  })

  test('what a longer journal had there before is not taken for its end', async () => {
    const volume = await CrashedVolume.make({ steps })
    const whole = volume.segment(firstSegment)
    const [from = 0, to = 0] = recordStarts(whole).slice(-2)
    volume.write(firstSegment, Buffer.concat([whole, whole.subarray(from, to)]))
    const store = volume.open(afterRestart)
    expect(store.recovery.tornBytes).toBe(to - from)
    expect(countSteps(store).whole).toBe(steps)
    store.close()
  })

  test('the index is built anew, since nobody synced it', async () => {
    const volume = await CrashedVolume.make({ steps })
    const store = volume.open(afterRestart)
    expect(store.recovery.wasIndexRebuilt).toBe(true)
    expect(countSteps(store).whole).toBe(steps)
    store.close()
  })

  test('a volume that was closed before is just opened', async () => {
    const volume = await CrashedVolume.make({ steps })
    volume.open().close()
    const store = volume.open(afterRestart)
    expect(store.recovery).toMatchObject({
      wasIndexRebuilt: false,
      recordsReplayed: 0,
      tornBytes: 0,
    })
    expect(countSteps(store).whole).toBe(steps)
    store.close()
  })

  test('a volume that was closed before and is shorter now is damaged', async () => {
    const volume = await CrashedVolume.make({ steps })
    volume.open().close()
    const whole = volume.segment(firstSegment)
    const starts = recordStarts(whole)
    for (const isIndexLost of [false, true]) {
      volume.write(firstSegment, whole.subarray(0, starts.at(-3)))
      if (isIndexLost) volume.loseIndexData()
      expect(failureOf(volume, afterRestart).message).toMatch(/missing/)
    }
    volume.write(firstSegment, whole)
    expectWhole(volume)
  })
})

describe('a lost or damaged index', () => {
  compileStorePrograms()
  let volume: CrashedVolume

  beforeEach(async () => {
    volume = await CrashedVolume.make({ steps })
  })

  const data = (): string => join(volume.index, 'data.mdb')
  const state = (): string => join(volume.index, 'state')

  function damageValueOfStep3(): void {
    const key = Buffer.concat([Buffer.from('name 3 \xff\0', 'latin1'), Buffer.of(0, 0, 0, 3)])
    const bytes = readFileSync(data())
    // LMDB keeps a value right behind its key; older pages may hold it too.
    for (let at = bytes.indexOf(key); at >= 0; at = bytes.indexOf(key, at + 1)) {
      const valueStart = at + key.length
      bytes.writeUInt8(bytes.readUInt8(valueStart + 1) ^ 1, valueStart + 1)
    }
    writeFileSync(data(), bytes)
  }

  test.each<[string, () => void]>([
    [
      'it is gone',
      () => {
        rmSync(volume.index, { recursive: true })
      },
    ],
    [
      'its data is gone',
      () => {
        rmSync(data())
      },
    ],
    [
      'its data is empty',
      () => {
        writeFileSync(data(), '')
      },
    ],
    [
      'its data is cut off',
      () => {
        writeFileSync(data(), readFileSync(data()).subarray(0, 8192))
      },
    ],
    [
      'its data is something else',
      () => {
        writeFileSync(data(), Buffer.alloc(100_000, 'x'))
      },
    ],
    [
      'its data is a copy',
      () => {
        copyFileSync(data(), `${data()}2`)
        renameSync(`${data()}2`, data())
      },
    ],
    [
      'its head is damaged',
      () => {
        const bytes = readFileSync(data())
        bytes.fill(0xff, 24, 160)
        writeFileSync(data(), bytes)
      },
    ],
    [
      'its state is gone',
      () => {
        rmSync(state())
      },
    ],
    [
      'its state is empty',
      () => {
        writeFileSync(state(), '')
      },
    ],
    [
      'its state is damaged',
      () => {
        const bytes = readFileSync(state())
        bytes.writeUInt8(bytes.readUInt8(50) ^ 1, 50)
        writeFileSync(state(), bytes)
      },
    ],
  ])('is built anew from the journal when %s', (_, damage) => {
    damage()
    expectWhole(volume, { wasIndexRebuilt: true, tornBytes: 0 })
    expectWhole(volume, { wasIndexRebuilt: false, recordsReplayed: 0 })
  })

  test('is built anew when someone wrote to it after it was closed', () => {
    volume.open().close()
    damageValueOfStep3()
    expectWhole(volume, { wasIndexRebuilt: true })
  })

  test('in which one value is wrong answers an error for that one, and all else right', () => {
    damageValueOfStep3()
    const store = volume.open()
    expect(() => stateOfStep(store, 3)).toThrow(expect.objectContaining({ code: 'EIO' }))
    for (const step of [0, 1, 2, 4, 5, 6]) expect(stateOfStep(store, step)).toBe('whole')
    store.close()
  })

  test('does not mind what is in its lock file', () => {
    writeFileSync(join(volume.index, 'lock.mdb'), Buffer.alloc(8192, 0xff))
    expectWhole(volume, { wasIndexRebuilt: false })
  })

  test('is not touched by a recovery that refuses the journal', () => {
    volume.open().close()
    const before = statSync(data(), { bigint: true })
    const whole = volume.segment(firstSegment)
    volume.write(firstSegment, Buffer.concat([whole, Buffer.from('rubbish')]))
    expect(failureOf(volume).kind).toBe('damaged')
    const after = statSync(data(), { bigint: true })
    expect([after.mtimeNs, after.size]).toEqual([before.mtimeNs, before.size])
    volume.write(firstSegment, whole)
    expectWhole(volume, { wasIndexRebuilt: false })
  })
})
