import type { ByteString } from '../base/bytes.js'
import { FsError } from '../base/errno.js'

const headerBytes = 10
const nameBytesMax = 255

/**
 * A directory's listing as Native.readDirectory packs it: for each entry u64le ino, u8 d_type, u8 name
 * length, the name. A position in it is a byte offset; `end` is behind the last entry.
 */
export class Listing {
  /** The entry that `read` last stood on. */
  ino = 0
  type = 0
  name = '' as ByteString

  /** False: there may have been more, which nobody can tell now. */
  readonly isWhole: boolean
  readonly #bytes: Buffer

  constructor(bytes: Buffer, isWhole = true) {
    this.#bytes = bytes
    this.isWhole = isWhole
  }

  get bytes(): Buffer {
    return this.#bytes
  }

  get end(): number {
    return this.#bytes.length
  }

  /** Fills ino, type and name from the entry at `position`; returns the position of the next. */
  read(position: number): number {
    const bytes = this.#bytes
    const nameBytes = bytes[position + 9] ?? 0
    const nameStart = position + headerBytes
    // A program may ask from any offset on, also one that it was never told.
    if (nameStart + nameBytes > bytes.length) throw new FsError('EINVAL', 'no entry starts there')
    this.ino = bytes.readUInt32LE(position) + bytes.readUInt32LE(position + 4) * 2 ** 32
    this.type = bytes[position + 8] ?? 0
    this.name = bytes.toString('latin1', nameStart, nameStart + nameBytes) as ByteString
    return nameStart + nameBytes
  }
}

/** Builds a Listing. */
export class ListingBuilder {
  readonly #parts: Buffer[] = []

  /** EIO for a name that is longer than any that Linux lists. */
  add(ino: number, type: number, name: ByteString): void {
    if (name.length > nameBytesMax) throw new FsError('EIO', 'a name too long to be listed')
    const entry = Buffer.allocUnsafe(headerBytes + name.length)
    entry.writeUInt32LE(ino >>> 0, 0)
    entry.writeUInt32LE(Math.floor(ino / 2 ** 32), 4)
    entry[8] = type
    entry[9] = name.length
    entry.write(name, headerBytes, 'latin1')
    this.#parts.push(entry)
  }

  build(isWhole = true): Listing {
    return new Listing(Buffer.concat(this.#parts), isWhole)
  }
}
