import { checked, FsError, isErrno } from '../base/errno.js'
import type { ChunkIndex } from '../base/ids.js'
import { O, Seek } from '../base/open-flags.js'
import type { ReadPlan } from '../base/read-plan.js'
import type { ChunkPlace } from '../store/elements.js'
import type { VolumeStore } from '../store/volume-store.js'
import type { ChunkPreserver, OpenObject } from './chunk-preserver.js'
import { lost } from './drift.js'
import type { Drift } from './drift.js'
import type { Origin } from './origin.js'
import type { PastNode } from './past-node.js'
import type { PastTree } from './past-tree.js'

/** How much is planned at least, so that the reads that follow are served without asking again. */
const plannedBytesMin = 1 << 20

/** A regular file of a snapshot, open for reading: preserved chunks, and the origin's bytes where there are none. */
export class PastFile {
  readonly node: PastNode
  readonly sizeBytes: number
  readonly #store: VolumeStore
  readonly #origin: Origin
  readonly #chunks: ChunkPreserver
  readonly #object: OpenObject
  /** The object's file in the origin. */
  readonly fd: number
  /** Changed unseen since the snapshot: only what was preserved before can be read. */
  readonly #hasDrifted: boolean

  constructor(
    node: PastNode,
    sizeBytes: number,
    store: VolumeStore,
    origin: Origin,
    chunks: ChunkPreserver,
    drift: Drift,
    openedFd = -1,
  ) {
    this.node = node
    this.sizeBytes = sizeBytes
    this.#store = store
    this.#origin = origin
    this.#chunks = chunks
    const inOrigin = node.tree.locate(node)
    this.#hasDrifted = drift.hasDrifted(node.object, node.tree.label)
    // Holds the origin's node, so that its guard tells when a plan made here is out of date.
    this.#object = chunks.acquire(inOrigin)
    try {
      this.fd = openedFd >= 0 ? openedFd : this.#open()
    } catch (error) {
      chunks.release(this.#object)
      throw error
    }
  }

  /** Plans at least [offset, offset + length) as far as the file goes; returns the guard that the plan depends on. */
  plan(offset: number, length: number, plan: ReadPlan): number {
    this.node.tree.assertThere()
    const { chunkBytes } = this.#chunks
    const { object, tree } = this.node
    plan.begin(offset)
    if (!this.#hasDrifted && !this.#store.hasAnyChunk(object)) {
      plan.begin(0)
      if (this.sizeBytes > 0) plan.addFile(this.fd, 0, this.sizeBytes)
      plan.reachesEnd = true
      return this.#object.guard
    }
    const lengthPlanned = this.#hasDrifted ? length : Math.max(length, plannedBytesMin)
    const wanted = Math.min(offset + lengthPlanned, this.sizeBytes)
    plan.reachesEnd = wanted === this.sizeBytes
    if (offset >= wanted) return this.#object.guard
    const first = Math.floor(offset / chunkBytes)
    const count = Math.ceil(wanted / chunkBytes) - first
    const places = this.#store.findChunks(object, first as ChunkIndex, count, tree.label)
    let position = offset
    for (const place of places) {
      const chunkStart = Math.floor(position / chunkBytes) * chunkBytes
      const end = Math.min(chunkStart + chunkBytes, wanted)
      if (place === undefined) this.#addOrigin(plan, position, end - position)
      else this.#store.addPlace(plan, place, position - chunkStart, end - position)
      position = end
    }
    return this.#object.guard
  }

  /** lseek(2) with SEEK_DATA or SEEK_HOLE. */
  seek(offset: number, whence: number): number {
    this.node.tree.assertThere()
    if (offset >= this.sizeBytes) throw new FsError('ENXIO', 'beyond the end of the file')
    const { chunkBytes } = this.#chunks
    for (let position = offset; position < this.sizeBytes;) {
      const chunk = Math.floor(position / chunkBytes)
      const place = this.#placeOf(chunk)
      const end =
        place === undefined
          ? this.#untouchedEnd(chunk)
          : Math.min((chunk + 1) * chunkBytes, this.sizeBytes)
      const found =
        place === undefined
          ? this.#seekOrigin(position, whence)
          : seekPlace(place, position - chunk * chunkBytes, whence) + chunk * chunkBytes
      if (found < end) return found
      position = end
    }
    if (whence === Seek.data) throw new FsError('ENXIO', 'no data up to the end of the file')
    return this.sizeBytes
  }

  /** Of whose snapshot it is. */
  get tree(): PastTree {
    return this.node.tree
  }

  /** What was planned so far holds no more. */
  dropPlans(): void {
    this.#chunks.bump(this.node.object)
  }

  close(): void {
    this.#origin.native.close(this.fd)
    this.#chunks.release(this.#object)
  }

  #addOrigin(plan: ReadPlan, offset: number, length: number): void {
    if (this.#hasDrifted) throw lost(this.node.object)
    plan.addFile(this.fd, offset, length)
  }

  #placeOf(chunk: number): ChunkPlace | undefined {
    const { object, tree } = this.node
    return this.#store.findChunks(object, chunk as ChunkIndex, 1, tree.label)[0]
  }

  /** Up to where no chunk has an element, so that the origin alone decides. */
  #untouchedEnd(chunk: number): number {
    const next = this.#store.nextChunk(this.node.object, (chunk + 1) as ChunkIndex)
    if (next === undefined) return this.sizeBytes
    return Math.min(next * this.#chunks.chunkBytes, this.sizeBytes)
  }

  #seekOrigin(position: number, whence: number): number {
    if (this.#hasDrifted) throw lost(this.node.object)
    try {
      return checked(this.#origin.native.seek(this.fd, position, whence), 'seek')
    } catch (error) {
      // Past the end of what the origin still has there are zeros.
      if (isErrno(error, 'ENXIO')) return whence === Seek.hole ? position : Infinity
      throw error
    }
  }

  #open(): number {
    try {
      return this.#origin.open(this.#object.node, O.RDONLY | O.NOATIME)
    } catch (error) {
      if (!isErrno(error, 'EPERM')) throw error
      return this.#origin.open(this.#object.node, O.RDONLY)
    }
  }
}

/** The first offset in the chunk, from `skip` on, that is data (or a hole); Infinity if there is none. */
function seekPlace(place: ChunkPlace, skip: number, whence: number): number {
  let position = skip
  for (let index = 0; index < place.extents.length; index += 2) {
    const start = place.extents[index] ?? 0
    const end = start + (place.extents[index + 1] ?? 0)
    if (end <= position) continue
    if (whence === Seek.data) return Math.max(start, position)
    if (position < start) return position
    position = end
  }
  return whence === Seek.data ? Infinity : position
}
