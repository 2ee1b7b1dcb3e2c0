import type { Attributes } from '../base/attributes.js'
import type { ByteString } from '../base/bytes.js'
import type { Label, ObjectId } from '../base/ids.js'

/** What a name of a directory led to. */
export interface NameElement {
  /** 0: the name was absent. */
  object: ObjectId | 0
  /** A d_type; 0 if absent. */
  type: number
}

/** Where the preserved bytes of one chunk are in the journal. */
export interface ChunkPlace {
  segment: number
  /** Of the run in the segment file. */
  dataOffset: number
  /** Length of the run: the chunk's bytes without its holes. 0: the whole chunk is a hole. */
  dataBytes: number
  /** CRC-32C of the run. */
  crc: number
  /**
   * Pairs (offset in the chunk, length), ascending, with holes between; their lengths add up to
   * dataBytes.
   */
  extents: Uint32Array
}

export interface PreservedAttributes {
  attributes: Attributes
  xattrs: readonly (readonly [ByteString, Uint8Array])[]
  /** The largest size that the snapshot of this element or any older one sees. */
  sizeMaxBytes: number
  /** A snapshot in which the object did not exist yet, the newest that is known; 0: none is. */
  bornAfter: Label | 0
}

/**
 * Where the object is now in the origin: tried in order, retired/<ino> if isRetired, then each of
 * places.
 */
export interface Location {
  isRetired: boolean
  /** Newest first, at most 3. */
  places: readonly { parent: ObjectId; name: ByteString }[]
  /** The newest label at which the object did not exist yet; 0: unknown. */
  bornAfter: Label | 0
  /** The newest snapshot when this was written: of a retired object, no later one needs what is retired. */
  writtenAt: Label | 0
}
