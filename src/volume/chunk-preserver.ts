import type { ChunkIndex, ObjectId } from '../base/ids.js'
import type { Guards } from '../base/native.js'
import { isErrno } from '../base/errno.js'
import { checked } from '../base/errno.js'
import { faultPoint } from '../base/fault-point.js'
import { Seek } from '../base/open-flags.js'
import type { VolumeStore } from '../store/volume-store.js'
import type { Births } from './births.js'
import type { Epoch } from './epoch.js'
import type { Origin } from './origin.js'
import type { OriginNode } from './origin-node.js'
import type { Preserver } from './preserver.js'

/** The data of one object while someone has it open: its guard, and its size as the newest snapshot has it. */
export interface OpenObject {
  readonly node: OriginNode
  readonly guard: number
  handles: number
  /** Handles that are open for writing: counted by who opens and closes them. */
  writers: number
  /** As of the newest snapshot; holds while the guard is current. */
  snapshotBytes: number
}

/**
 * Preserve before change, for the bytes of files: by chunk, once for each chunk and snapshot.
 *
 * What may be written in place is kept in the object's guard, so that the addon writes without asking here.
 */
export class ChunkPreserver {
  readonly chunkBytes: number
  readonly #guards: Guards
  readonly #store: VolumeStore
  readonly #origin: Origin
  readonly #births: Births
  readonly #preserver: Preserver
  readonly #epoch: Epoch
  readonly #open = new Map<ObjectId, OpenObject>()

  constructor(
    chunkBytes: number,
    guards: Guards,
    store: VolumeStore,
    origin: Origin,
    births: Births,
    preserver: Preserver,
    epoch: Epoch,
  ) {
    this.chunkBytes = chunkBytes
    this.#guards = guards
    this.#store = store
    this.#origin = origin
    this.#births = births
    this.#preserver = preserver
    this.#epoch = epoch
  }

  get openCount(): number {
    return this.#open.size
  }

  /** Somebody has it open for writing. */
  isWritten(node: OriginNode): boolean {
    return (this.#open.get(node.object)?.writers ?? 0) > 0
  }

  /** Every acquire is paired with a release. */
  acquire(node: OriginNode): OpenObject {
    let object = this.#open.get(node.object)
    if (object === undefined) {
      object = { node, guard: this.#guards.create(), handles: 0, writers: 0, snapshotBytes: 0 }
      this.#open.set(node.object, object)
      node.references++
    }
    object.handles++
    return object
  }

  release(object: OpenObject): void {
    if (--object.handles > 0) return
    this.#open.delete(object.node.object)
    this.#guards.free(object.guard)
    object.node.references--
    this.#origin.release(object.node)
  }

  /** Makes [offset, offset + length) of the object's file, open as `fd` for reading, safe to change. */
  beforeWrite(object: OpenObject, fd: number, offset: number, length: number): void {
    if (!this.#isGuarded(object) || length === 0) return
    if (this.#guards.allows(object.guard, offset, length)) return
    const first = Math.floor(offset / this.chunkBytes)
    const last = Math.floor((offset + length - 1) / this.chunkBytes)
    this.#preserve(object, fd, first, last - first + 1)
  }

  /** The same for cutting the file to `newBytes`. */
  beforeTruncate(object: OpenObject, fd: number, newBytes: number): void {
    this.beforeZeros(object, fd, newBytes, Infinity)
  }

  /**
   * The same for a range that will read as zeros. Its holes need nothing: they read as they did, and a
   * later write there preserves that first. So it takes no longer than there is data in it.
   */
  beforeZeros(object: OpenObject, fd: number, from: number, to: number): void {
    if (!this.#isGuarded(object)) return
    const needed = Math.min(to, object.snapshotBytes)
    let offset = Math.floor(from / this.chunkBytes) * this.chunkBytes
    while (offset < needed) {
      const start = this.#seek(fd, offset, Seek.data)
      if (start === undefined || start >= needed) return
      const end = Math.min(this.#seek(fd, start, Seek.hole) ?? needed, to)
      this.beforeWrite(object, fd, start, end - start)
      offset = end
    }
  }

  /** A snapshot's read plan made from the origin's bytes must be made anew: the object changes outside beforeWrite. */
  bump(object: ObjectId): void {
    const open = this.#open.get(object)
    if (open !== undefined) this.#guards.bump(open.guard)
  }

  /** False if all may be written: nothing of the object is in a snapshot. */
  #isGuarded(object: OpenObject): boolean {
    if (this.#births.isBorn(object.node)) {
      if (!this.#guards.isCurrent(object.guard)) this.#guards.allowAll(object.guard)
      return false
    }
    if (this.#guards.isCurrent(object.guard)) return !this.#isLost(object)
    // The attributes first: they tell, also after a restart, how large the file was at the snapshot.
    this.#preserver.begin().attributes(object.node).commit()
    const isNeeded = !this.#isLost(object) && this.#reset(object)
    if (!isNeeded) this.#guards.allowAll(object.guard)
    return isNeeded
  }

  /** It was changed unseen since the newest snapshot: there is nothing left to preserve. */
  #isLost(object: OpenObject): boolean {
    return this.#store.drift(object.node.object) >= this.#epoch.newest
  }

  /** False: no snapshot knows the object. */
  #reset(object: OpenObject): boolean {
    const preserved = this.#store.findAttributes(object.node.object, this.#epoch.newest)
    if (preserved === undefined) {
      // The sweep has found out that it was born since the newest snapshot, where isBorn was in doubt.
      this.#births.note(object.node)
      return false
    }
    object.snapshotBytes = preserved.attributes.sizeBytes
    // Beyond the end in the newest snapshot an older one may still read the origin's zeros, if the file was longer
    // then: those chunks are guarded too, and preserved as holes.
    const guardedChunks = Math.ceil(preserved.sizeMaxBytes / this.chunkBytes)
    this.#guards.reset(object.guard, Math.log2(this.chunkBytes), guardedChunks)
    return true
  }

  #preserve(object: OpenObject, fd: number, first: number, count: number): void {
    const end = first + count
    for (let chunk = first; chunk < end;) {
      const runEnd = this.#runEnd(object, chunk, end)
      if (runEnd > chunk) {
        faultPoint('preserve.chunks.begun')
        this.#store.preserveChunks(
          object.node.object,
          this.#epoch.newest,
          fd,
          chunk as ChunkIndex,
          runEnd - chunk,
          this.chunkBytes,
          object.snapshotBytes,
        )
        faultPoint('preserve.chunks.kept')
        this.#guards.mark(object.guard, chunk, runEnd - chunk)
        faultPoint('preserve.chunks.free')
        chunk = runEnd
      } else {
        this.#guards.mark(object.guard, chunk, 1)
        chunk++
      }
    }
  }

  /** Where the run of chunks that still need preserving ends which starts at `chunk`. */
  #runEnd(object: OpenObject, chunk: number, end: number): number {
    let at = chunk
    while (at < end && this.#needsPreserving(object, at)) at++
    return at
  }

  #needsPreserving(object: OpenObject, chunk: number): boolean {
    if (this.#guards.allows(object.guard, chunk * this.chunkBytes, this.chunkBytes)) return false
    const newest = this.#epoch.newest
    return !this.#store.hasChunk(object.node.object, chunk as ChunkIndex, newest)
  }

  #seek(fd: number, offset: number, whence: number): number | undefined {
    try {
      return checked(this.#origin.native.seek(fd, offset, whence), 'seek')
    } catch (error) {
      if (isErrno(error, 'ENXIO')) return undefined
      throw error
    }
  }
}
