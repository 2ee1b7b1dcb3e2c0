import { FsError } from '../base/errno.js'
import { crc32cOf } from './checksum.js'
import type { Disk } from './disk.js'

const windowBytesUsual = 1 << 20

/** Reads a segment file in order through a window, so that memory does not grow with the file. */
export class SegmentReader {
  readonly #disk: Disk
  readonly #fd: number
  readonly sizeBytes: number
  #window: Buffer
  /** The window holds [start, end) of the file. */
  #start = 0
  #end = 0

  /** Borrows `fd`. A small window suits who skips most of the file. */
  constructor(disk: Disk, fd: number, windowBytes = windowBytesUsual) {
    this.#disk = disk
    this.#fd = fd
    this.sizeBytes = disk.sizeOf(fd)
    this.#window = Buffer.allocUnsafe(Math.min(windowBytes, this.sizeBytes))
  }

  /** Valid until the next fill. */
  get window(): Buffer {
    return this.#window
  }

  /**
   * Brings [offset, offset + bytes), which must lie in the file, into the window; returns where it
   * is there.
   */
  fill(offset: number, bytes: number): number {
    if (offset >= this.#start && offset + bytes <= this.#end) return offset - this.#start
    if (bytes > this.#window.length) this.#window = Buffer.allocUnsafe(bytes)
    const wanted = Math.min(this.#window.length, this.sizeBytes - offset)
    this.#start = offset
    this.#end = offset + this.#disk.read(this.#fd, this.#window, 0, wanted, offset)
    if (this.#end < offset + bytes) throw new FsError('EIO', 'the journal shrank while it was read')
    return 0
  }

  /** The first offset from `from` on where `bytes` stand; -1: nowhere. */
  find(bytes: Buffer, from: number): number {
    for (let offset = from; offset + bytes.length <= this.sizeBytes;) {
      const at = this.fill(offset, bytes.length)
      const windowEnd = this.#end - this.#start
      const found = this.#window.subarray(at, windowEnd).indexOf(bytes)
      if (found >= 0) return offset + found
      offset = this.#end - bytes.length + 1
    }
    return -1
  }

  /**
   * CRC-32C of [offset, offset + bytes), which must lie in the file. Leaves the window as it is.
   */
  checksum(offset: number, bytes: number): number {
    const buffer = Buffer.allocUnsafe(Math.min(bytes, windowBytesUsual))
    let crc = 0
    for (let done = 0; done < bytes;) {
      const wanted = Math.min(buffer.length, bytes - done)
      const read = this.#disk.read(this.#fd, buffer, 0, wanted, offset + done)
      if (read === 0) throw new FsError('EIO', 'the journal shrank while it was read')
      crc = crc32cOf(buffer, 0, read, crc)
      done += read
    }
    return crc
  }
}
