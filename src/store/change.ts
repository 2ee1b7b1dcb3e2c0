import { isName } from '../base/bytes.js'
import type { ByteString } from '../base/bytes.js'
import { FsError } from '../base/errno.js'
import type { ChunkIndex, Label, ObjectId } from '../base/ids.js'
import { attributesValueBytesMax, writeAttributesValue } from './attributes-value.js'
import {
  keyBytesMax,
  writeAttributesKey,
  writeChunkKey,
  writeDriftKey,
  writeLocationKey,
  writeNameKey,
} from './element-keys.js'
import {
  checksumBytes,
  chunkValueBytesMin,
  driftValueBytes,
  locationValueBytesMax,
  moveChunkValue,
  nameValueBytes,
  sealValue,
  writeChunkValue,
  writeDriftValue,
  writeLocationValue,
  writeNameValue,
} from './element-values.js'
import type { ChunkPlace, Location, NameElement, PreservedAttributes } from './elements.js'
import { endOfPut, putHeaderBytes, valueStartOfPut, writePutHeader } from './puts.js'
import { bodyBytesMax, recordHeaderBytes } from './record.js'

/**
 * What one request must have in the journal before it may touch the origin.
 *
 * Elements are encoded as they come, behind the room for a record header: `record` is the journal
 * record's header and body already.
 */
export class Change {
  #record = Buffer.alloc(4096)
  #end = recordHeaderBytes
  #putCount = 0
  /**
   * It may take what the journal has in reserve when the disk is full: it is part of what frees space, or of
   * bygone's own work. Until clear.
   */
  mayUseReserve = false

  get isEmpty(): boolean {
    return this.#putCount === 0
  }

  get putCount(): number {
    return this.#putCount
  }

  /** Valid until the next add. */
  get record(): Buffer {
    return this.#record
  }

  get bodyBytes(): number {
    return this.#end - recordHeaderBytes
  }

  clear(): void {
    this.#end = recordHeaderBytes
    this.#putCount = 0
    this.mayUseReserve = false
  }

  addName(directory: ObjectId, name: ByteString, label: Label, element: NameElement): void {
    if (!isName(name)) throw new Error(`not a name: ${JSON.stringify(name)}`)
    const key = this.#begin(nameValueBytes)
    const value = writeNameKey(this.#record, key, directory, name, label)
    this.#finish(value, writeNameValue(this.#record, value, element))
  }

  addAttributes(object: ObjectId, label: Label, preserved: PreservedAttributes): void {
    const key = this.#begin(attributesValueBytesMax(preserved))
    const value = writeAttributesKey(this.#record, key, object, label)
    this.#finish(value, writeAttributesValue(this.#record, value, preserved))
  }

  addLocation(object: ObjectId, location: Location): void {
    const key = this.#begin(locationValueBytesMax(location))
    const value = writeLocationKey(this.#record, key, object)
    this.#finish(value, writeLocationValue(this.#record, value, location))
  }

  /** All labels, ascending, at which the object was changed unseen: see VolumeElements.drifts. */
  addDrift(object: ObjectId, labels: readonly Label[]): void {
    const key = this.#begin(driftValueBytes(labels))
    const value = writeDriftKey(this.#record, key, object)
    this.#finish(value, writeDriftValue(this.#record, value, labels))
  }

  /** A run of puts (puts.ts) as it is. */
  addPuts(puts: Buffer): void {
    const start = this.#begin(puts.length) - putHeaderBytes
    puts.copy(this.#record, start)
    this.#end = start + puts.length
    for (let at = 0; at < puts.length; at = endOfPut(puts, at)) this.#putCount++
  }

  /** `place.dataOffset` counts from the start of the record's data until placeChunks. */
  addChunk(object: ObjectId, chunk: ChunkIndex, label: Label, place: ChunkPlace): void {
    const key = this.#begin(chunkValueBytesMin + 4 * place.extents.length)
    const value = writeChunkKey(this.#record, key, object, chunk, label)
    this.#finish(value, writeChunkValue(this.#record, value, place))
  }

  /** For a change of chunks alone: the record's data will lie at `dataStart` of `segment`. */
  placeChunks(segment: number, dataStart: number): void {
    for (let at = recordHeaderBytes; at < this.#end; at = endOfPut(this.#record, at)) {
      moveChunkValue(this.#record, valueStartOfPut(this.#record, at), segment, dataStart)
      sealValue(this.#record, at + putHeaderBytes, endOfPut(this.#record, at) - checksumBytes)
    }
  }

  /** Makes room for a put and returns where its key goes. */
  #begin(payloadBytes: number): number {
    const needed = this.#end + putHeaderBytes + keyBytesMax + payloadBytes + checksumBytes
    if (needed > this.#record.length) {
      if (needed > bodyBytesMax) throw new FsError('E2BIG', 'too much to preserve in one change')
      const larger = Buffer.alloc(needed * 2)
      larger.set(this.#record.subarray(0, this.#end))
      this.#record = larger
    }
    return this.#end + putHeaderBytes
  }

  #finish(valueStart: number, payloadEnd: number): void {
    const keyStart = this.#end + putHeaderBytes
    const end = sealValue(this.#record, keyStart, payloadEnd)
    writePutHeader(this.#record, this.#end, valueStart - keyStart, end - valueStart)
    this.#end = end
    this.#putCount++
  }
}
