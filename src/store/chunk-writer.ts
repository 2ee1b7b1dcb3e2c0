import { checked } from '../base/errno.js'
import type { ChunkIndex, Label, ObjectId } from '../base/ids.js'
import type { ChunkStage } from '../base/native.js'
import { Change } from './change.js'
import type { Disk } from './disk.js'

/** The largest chunk: one always fits into the stage. */
const stageBytes = 4 << 20
/** A chunk's extents are at least 4 KiB long, and 4 KiB apart. */
const extentWordsMax = 2 * (stageBytes / 4096)
/** Chunks that are holes take no room in the stage. */
const recordBodyBytesMax = 1 << 18

/** Writes a change of chunks, with the bytes that the stage holds, as one journal record. */
export type WriteChunks = (change: Change, stage: ChunkStage, dataBytes: number) => void

/** Copies chunks of a file into the journal, by way of a buffer of the addon's. */
export class ChunkWriter {
  readonly stage: ChunkStage
  readonly #write: WriteChunks
  readonly #change = new Change()
  readonly #extents = new Uint32Array(extentWordsMax)
  #dataBytes = 0

  constructor(disk: Disk, write: WriteChunks) {
    this.stage = disk.newStage(stageBytes)
    this.#write = write
  }

  /**
   * Chunks [first, first + count) of `fd`, a file of `sizeBytes` as the snapshot sees it; beyond
   * that they are holes. One record for each 4 MiB: if it fails, some may be preserved already,
   * which harms nothing.
   */
  preserve(
    object: ObjectId,
    label: Label,
    fd: number,
    first: ChunkIndex,
    count: number,
    chunkBytes: number,
    sizeBytes: number,
  ): void {
    try {
      for (let chunk: number = first; chunk < first + count; chunk++) {
        const offset = chunk * chunkBytes
        const length = Math.max(0, Math.min(chunkBytes, sizeBytes - offset))
        this.#add(object, label, fd, chunk as ChunkIndex, offset, length)
      }
      this.#finish()
    } finally {
      this.#clear()
    }
  }

  #add(
    object: ObjectId,
    label: Label,
    fd: number,
    chunk: ChunkIndex,
    offset: number,
    length: number,
  ): void {
    const { stage } = this
    if (stage.room() < length || this.#change.bodyBytes > recordBodyBytesMax) this.#finish()
    const extents = length > 0 ? checked(stage.add(fd, offset, length, this.#extents), 'read') : 0
    const dataBytes = extents > 0 ? stage.lastLength() : 0
    this.#change.addChunk(object, chunk, label, {
      segment: 0,
      dataOffset: dataBytes > 0 ? stage.lastOffset() : 0,
      dataBytes,
      crc: dataBytes > 0 ? stage.lastCrc() : 0,
      extents: this.#extents.subarray(0, 2 * extents),
    })
    this.#dataBytes += dataBytes
  }

  #finish(): void {
    if (!this.#change.isEmpty) this.#write(this.#change, this.stage, this.#dataBytes)
    this.#clear()
  }

  #clear(): void {
    this.stage.clear()
    this.#change.clear()
    this.#dataBytes = 0
  }
}
