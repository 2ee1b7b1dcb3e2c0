import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Attributes, FileType } from '../../src/base/attributes.js'
import type { ByteString } from '../../src/base/bytes.js'
import { FsError } from '../../src/base/errno.js'
import { Failure } from '../../src/base/failure.js'
import { native } from '../../src/base/native.js'
import { O, Seek } from '../../src/base/open-flags.js'
import { ReadPlan } from '../../src/base/read-plan.js'
import { newEntry, newOpenReply } from '../../src/fuse/blank.js'
import { isElementKey } from '../../src/store/element-keys.js'
import { LmdbIndex } from '../../src/store/lmdb-index.js'
import { realDisk } from '../../src/store/real-disk.js'
import { writeIndexState } from '../../src/store/index-state.js'
import { VolumeStore } from '../../src/store/volume-store.js'
import { VolumeView } from '../../src/view/volume-view.js'
import { TreeVolume } from '../../src/volume/tree-volume.js'
import { forgedPut, forgeJournal } from '../support/forged-journal.js'
import type { ForgedRecord } from '../support/forged-journal.js'
import { fuzz, fuzzSeed } from '../support/fuzz.js'
import { hostileNames, hostileRecords } from '../support/hostile-elements.js'
import { chunk, label, name, object } from '../support/store-fixture.js'

// Goal: whatever somebody writes into a store, with every checksum right, is refused or answered by an
// error: no crash, no hang, nothing read from outside of the origin.
// Method: forged journals and indexes about the objects of a real origin; everything that can be asked of
// the store, and of the snapshots through the view, is asked. Beside the origin lies a secret.

const secret = 'SECRET of another directory'
const caller = { uid: 0, gid: 0, pid: 0, umask: 0 }
/** A walk over forged directories may meet more than there are. */
const nodesMax = 60
const readBytesMax = 1 << 16

let directory: string
let origin: string
let objects: number[]

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'bygone-hostile-'))
  origin = join(directory, 'origin')
  mkdirSync(join(origin, '.bygone', 'retired'), { recursive: true })
  mkdirSync(join(origin, 'below', 'deeper'), { recursive: true })
  writeFileSync(join(directory, 'secret'), secret)
  writeFileSync(join(origin, '.bygone', 'secret'), secret)
  writeFileSync(join(origin, 'file'), 'a live file'.repeat(1000))
  linkSync(join(origin, 'file'), join(origin, 'below', 'file'))
  symlinkSync('../secret', join(origin, 'link'))
  symlinkSync('/', join(origin, 'below', 'deeper', 'link'))
  const paths = ['.', 'file', 'below', 'below/deeper', 'link', '.bygone', '.bygone/secret']
  objects = [...paths, '.bygone/retired', '../secret', '..'].map(
    (path) => statSync(join(origin, path), { bigint: false }).ino,
  )
})

afterAll(() => {
  rmSync(directory, { recursive: true, force: true })
})

/** Keys that the recovery refuses would hide what else there is: they are left out where `isSieved`. */
const forgeries = () =>
  fc.tuple(hostileRecords(objects), fc.boolean()).map(([records, isSieved]) =>
    records.map((record) => ({
      ...record,
      puts: record.puts.filter(({ key }) => !isSieved || isElementKey(key, 0, key.length)),
    })),
  )

/** `use` gets the store in a directory of its own, if it is not refused, which only a Failure may do. */
function withForged(records: readonly ForgedRecord[], use: (store: VolumeStore) => void): void {
  inNewVolume((volume) => {
    forgeJournal(volume, records)
    const store = opened(volume)
    if (store === undefined) return
    try {
      use(store)
    } finally {
      store.close()
    }
  })
}

function inNewVolume(use: (volume: string) => void): void {
  const above = mkdtempSync(join(directory, 'store-'))
  try {
    use(join(above, 'volume'))
  } finally {
    rmSync(above, { recursive: true })
  }
}

function opened(volume: string): VolumeStore | undefined {
  try {
    return VolumeStore.open({ directory: volume, durability: 'ordered' })
  } catch (error) {
    if (error instanceof Failure) return undefined
    throw error
  }
}

/** What a request may come to: an answer, or an error that has a number. */
function attempt<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch (error) {
    if (error instanceof FsError) return undefined
    throw error
  }
}

function askAll(store: VolumeStore): void {
  for (const each of objects.slice(0, 4)) {
    for (const at of [1, 2]) {
      attempt(() => store.listNames(object(each), label(at)))
      attempt(() => store.findAttributes(object(each), label(at)))
      for (const text of hostileNames.slice(-4)) {
        attempt(() => store.findName(object(each), name(text), label(at)))
      }
      for (const place of attempt(() => store.findChunks(object(each), chunk(0), 4, label(at))) ??
        []) {
        if (place === undefined) continue
        const plan = new ReadPlan()
        const bytes = Buffer.alloc(4096)
        plan.begin(0)
        attempt(() => {
          store.addPlace(plan, place, 0, bytes.length)
        })
        native().readByPlan(plan.words, plan.pieceCount, 0, 0, bytes)
      }
    }
    attempt(() => store.location(object(each)))
    attempt(() => store.drift(object(each)))
    attempt(() => store.sizeMaxBefore(object(each), label(3)))
    attempt(() => store.nextChunk(object(each), chunk(0)))
  }
}

describe(`a store written by somebody hostile (BYGONE_SEED=${fuzzSeed})`, () => {
  test('is refused, or answers every question or says that it is damaged', () => {
    fuzz(
      fc.property(forgeries(), (records) => {
        withForged(records, (store) => {
          askAll(store)
          store.indexPending()
          askAll(store)
        })
      }),
    )
  })

  test('may have an index in which anything stands', () => {
    fuzz(
      fc.property(hostileRecords(objects), (records) => {
        inNewVolume((volume) => {
          opened(volume)?.close()
          writeToIndex(join(volume, 'index'), records)
          const store = opened(volume)
          expect(store?.recovery.wasIndexRebuilt).toBe(false)
          if (store !== undefined) askAll(store)
          store?.close()
        })
      }),
    )
  })

  test('shows in its snapshots nothing from outside of the origin, however they are walked', () => {
    fuzz(
      fc.property(forgeries(), (records) => {
        withForged(records, walkSnapshots)
        expect(readFileSync(join(directory, 'secret'), 'utf8')).toBe(secret)
      }),
    )
  })
})

test('places that lead in circles, and to ever more places, come to an end', () => {
  inNewVolume((directoryOfVolume) => {
    const store = VolumeStore.open({ directory: directoryOfVolume, durability: 'ordered' })
    const root = object(objects[0] ?? 0)
    const change = store.change()
    const locate = (each: number, parents: number[]): void => {
      const places = parents.map((parent) => ({ parent: object(parent), name: name('x') }))
      change.addLocation(object(each), { isRetired: false, places, bornAfter: 0, writtenAt: 0 })
    }
    const [ring, ladder, rungs] = [2 ** 40, 2 ** 41, 40]
    locate(ring, [ring + 1, ring])
    locate(ring + 1, [ring])
    change.addName(root, name('ring'), label(2), { object: object(ring), type: 4 })
    for (let rung = 0; rung < rungs; rung++) {
      locate(
        ladder + rung * 3,
        [0, 1, 2].map((at) => ladder + rung * 3 + 3 + at),
      )
      locate(
        ladder + rung * 3 + 1,
        [0, 1, 2].map((at) => ladder + rung * 3 + 3 + at),
      )
      locate(
        ladder + rung * 3 + 2,
        [0, 1, 2].map((at) => ladder + rung * 3 + 3 + at),
      )
    }
    change.addName(root, name('ladder'), label(2), { object: object(ladder), type: 4 })
    store.commit(change)
    walkSnapshots(store)
    store.close()
  })
})

/** As if bygone had closed it like that. */
function writeToIndex(index: string, records: readonly ForgedRecord[]): void {
  const elements = LmdbIndex.open(index)
  const checkpoint = elements.checkpoint()
  const all = records.flatMap(({ puts }) => puts.map((each) => forgedPut(each).length))
  const size = { entries: all.length, bytes: all.reduce((sum, bytes) => sum + bytes, 0) }
  elements.apply(size, (put) => {
    for (const { puts } of records) {
      for (const each of puts) {
        const bytes = forgedPut(each)
        // LMDB has no empty keys; the first byte of bygone's own entry is not the attacker's to take.
        if (each.key.length > 0 && each.key.length < 1500) put(bytes, 0, bytes.length)
      }
    }
    return checkpoint ?? { segment: 1, offset: 64, sequence: 0 }
  })
  elements.close()
  const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
  writeIndexState(realDisk, index, { volumeId: 'volume', bootId, segments: 1 }, 0)
}

function walkSnapshots(store: VolumeStore): void {
  const volume = TreeVolume.open({
    originFd: native().openPath(origin, O.PATH | O.DIRECTORY, 0),
    store,
    chunkBytes: 4096,
    snapshots: [1, 2].map((at) => ({
      ...{ name: `@GMT-2026.01.01-00.00.0${at}`, label: label(at), timeSec: at },
      ...{ cutAtMs: at, memo: '', tags: [], isHeld: false },
    })),
  })
  const view = new VolumeView(volume, {
    isMountedOver: true,
    takeSnapshot: () => undefined,
    deleteSnapshot: () => undefined,
  })
  try {
    for (const { name: root } of volume.snapshots) walk(view, root)
  } finally {
    view.destroy()
    volume.close()
  }
}

/** Breadth first over a snapshot: all that the kernel could ask about each node. */
function walk(view: VolumeView, root: string): void {
  const waiting: { parent: number; name: string; depth: number }[] = [
    { parent: 1, name: root, depth: 0 },
  ]
  for (let seen = 0; seen < nodesMax; seen++) {
    const next = waiting.shift()
    if (next === undefined) return
    const entry = newEntry()
    attempt(() => {
      view.lookup(next.parent, next.name as ByteString, caller, entry)
    })
    if (entry.node === 0) continue
    const attributes = new Attributes()
    attempt(() => {
      view.getattr(entry.node, undefined, { attributes, attributesTtlMs: 0 })
    })
    attempt(() => {
      // The kernel asks for the values by the names it was told.
      const names = Buffer.from(view.listxattr(entry.node, caller)).toString('latin1').split('\0')
      for (const each of names.slice(0, 5)) {
        attempt(() => view.getxattr(entry.node, each as ByteString))
      }
    })
    const target = attempt(() => view.readlink(entry.node))
    expect(target ?? '').not.toContain('\0')
    readWhole(view, entry.node, attributes.sizeBytes)
    if ((attributes.mode & FileType.mask) !== FileType.directory || next.depth > 4) continue
    for (const below of list(view, entry.node)) {
      expect(below).not.toMatch(/^\.\.?$|[/\0]/)
      waiting.push({ parent: entry.node, name: below, depth: next.depth + 1 })
    }
  }
}

function list(view: VolumeView, node: number): string[] {
  const reply = newOpenReply()
  const names: string[] = []
  attempt(() => {
    view.opendir(node, caller, reply)
    for (const isPlus of [false, true]) {
      const sink = {
        add: (each: string) => names.push(each) > 0,
        hasRoom: () => names.length < 200,
        entry: newEntry(),
        addEntry: (each: string) => {
          names.push(each)
        },
      }
      attempt(() => {
        if (isPlus) view.readdirplus(reply.handle, 0, caller, sink)
        else view.readdir(reply.handle, 0, sink)
      })
    }
    view.releasedir(reply.handle)
  })
  return [...new Set(names)].filter((each) => each !== '.' && each !== '..')
}

function readWhole(view: VolumeView, node: number, sizeBytes: number): void {
  const reply = newOpenReply()
  attempt(() => {
    view.open(node, O.RDONLY, caller, reply)
    const bytes = Buffer.alloc(Math.min(sizeBytes, readBytesMax))
    const plan = new ReadPlan()
    attempt(() => {
      for (const offset of [0, Math.max(0, sizeBytes - bytes.length)]) {
        view.planRead(reply.handle, offset, bytes.length, plan)
        native().readByPlan(plan.words, plan.pieceCount, plan.offset, offset, bytes)
        expect(bytes.includes(secret)).toBe(false)
      }
    })
    for (const whence of [Seek.data, Seek.hole]) {
      attempt(() => view.lseek(reply.handle, 0, whence))
    }
    view.release(reply.handle)
  })
}
