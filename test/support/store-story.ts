import { closeSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { Attributes } from '../../src/base/attributes.js'
import type { ByteString } from '../../src/base/bytes.js'
import type { ChunkIndex, Label, ObjectId } from '../../src/base/ids.js'
import { native } from '../../src/base/native.js'
import { ReadPlan } from '../../src/base/read-plan.js'
import type { ChunkPlace } from '../../src/store/elements.js'
import type { VolumeStore } from '../../src/store/volume-store.js'

/*
 * A history that anyone can check: what step `i` commits follows from `i` alone. Runs in a test,
 * and in a process of its own that is killed.
 */

const chunkBytes = 8192
const label = 3 as Label
const chunked = 77 as ObjectId

function directoryOf(step: number): ObjectId {
  return (5 + (step % 7)) as ObjectId
}

function nameOf(step: number): ByteString {
  return `name ${step} \xff` as ByteString
}

function objectOf(step: number): ObjectId {
  return (1000 + step * 3) as ObjectId
}

function hasChunk(step: number): boolean {
  return step % 3 === 0
}

function bytesOf(step: number): Buffer {
  return Buffer.alloc(chunkBytes, `<${step}>`)
}

/** Commits step `i`: a change, and in some steps a chunk after it. */
export function commitStep(store: VolumeStore, step: number, scratchFd: number): void {
  const change = store.change()
  change.addName(directoryOf(step), nameOf(step), label, { object: objectOf(step), type: 8 })
  const attributes = Object.assign(new Attributes(), { sizeBytes: step, mtimeSec: -step })
  const xattrs = [[nameOf(step), bytesOf(step).subarray(0, step % 50)] as const]
  change.addAttributes(objectOf(step), label, {
    attributes,
    xattrs,
    sizeMaxBytes: step,
    bornAfter: 0,
  })
  const places = [{ parent: directoryOf(step), name: nameOf(step) }]
  change.addLocation(objectOf(step), { isRetired: true, places, bornAfter: 0, writtenAt: 0 })
  store.commit(change)
  if (!hasChunk(step)) return
  writeSync(scratchFd, bytesOf(step), 0, chunkBytes, step * chunkBytes)
  const fileBytes = (step + 1) * chunkBytes
  store.preserveChunks(chunked, label, scratchFd, step as ChunkIndex, 1, chunkBytes, fileBytes)
}

export function openScratch(directory: string): number {
  return openSync(join(directory, 'scratch'), 'w+')
}

/** Commits steps [first, end) in this process. */
export function commitSteps(
  store: VolumeStore,
  directory: string,
  first: number,
  end: number,
): void {
  const fd = openScratch(directory)
  for (let step = first; step < end; step++) commitStep(store, step, fd)
  closeSync(fd)
}

/**
 * 'whole': as it was committed. 'partly': the change without its chunk. Throws if it is anything
 * else.
 */
export function stateOfStep(store: VolumeStore, step: number): 'whole' | 'partly' | 'absent' {
  const found = store.findName(directoryOf(step), nameOf(step), label)
  const preserved = store.findAttributes(objectOf(step), label)
  const location = store.location(objectOf(step))
  const place = hasChunk(step)
    ? store.findChunks(chunked, step as ChunkIndex, 1, label)[0]
    : undefined
  if (found === undefined) {
    const isAbsent = [preserved, location, place].every((each) => each === undefined)
    if (!isAbsent) throw new Error(`step ${step} is there in part`)
    return 'absent'
  }
  const isRight =
    found.object === objectOf(step) &&
    preserved?.attributes.mtimeSec === -step &&
    preserved.xattrs[0]?.[1].length === step % 50 &&
    location?.places[0]?.name === nameOf(step)
  if (!isRight) throw new Error(`step ${step} is not as it was committed`)
  if (!hasChunk(step)) return 'whole'
  if (place === undefined) return 'partly'
  const bytes = readPlace(store, place)
  if (typeof bytes === 'number' || !bytes.equals(bytesOf(step))) {
    throw new Error(`the chunk of step ${step} reads wrong`)
  }
  return 'whole'
}

/** How many steps there are: whole ones from 0 on, the last perhaps in part, and none beyond. */
export function countSteps(store: VolumeStore): { whole: number; isLastPartly: boolean } {
  let whole = 0
  while (stateOfStep(store, whole) === 'whole') whole++
  const isLastPartly = stateOfStep(store, whole) === 'partly'
  for (let beyond = whole + 1; beyond < whole + 30; beyond++) {
    if (stateOfStep(store, beyond) !== 'absent') throw new Error(`step ${beyond} without ${whole}`)
  }
  return { whole, isLastPartly }
}

/** The chunk of the story's steps that have one, as its bytes or an errno. */
export function readChunkOfStep(store: VolumeStore, step: number): Buffer | number {
  const place = store.findChunks(chunked, step as ChunkIndex, 1, label)[0]
  if (place === undefined) throw new Error(`step ${step} has no chunk`)
  return readPlace(store, place)
}

export function isChunkOfStep(bytes: Buffer | number, step: number): boolean {
  return typeof bytes !== 'number' && bytes.equals(bytesOf(step))
}

function readPlace(store: VolumeStore, place: ChunkPlace): Buffer | number {
  const plan = new ReadPlan()
  plan.begin(0)
  store.addPlace(plan, place, 0, chunkBytes)
  const bytes = Buffer.alloc(chunkBytes)
  const result = native().readByPlan(plan.words, plan.pieceCount, 0, 0, bytes)
  return result < 0 ? result : bytes
}
