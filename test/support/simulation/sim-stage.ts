import type { BackgroundSync, ChunkStage } from '../../../src/base/native.js'
import { crc32cOf } from '../../../src/store/checksum.js'
import { codeOf } from '../../../src/store/durable-file.js'
import type { SimDisk } from './sim-disk.js'
import { pageBytes } from './sim-file.js'

const ENOSPC = -28
const capacityBytes = 4 << 20

/** As the addon's, with a file's missing pages for holes. */
export class SimStage implements ChunkStage {
  readonly #disk: SimDisk
  #parts: Uint8Array[] = []
  #used = 0
  #last = { offset: 0, length: 0, crc: 0 }

  constructor(disk: SimDisk) {
    this.#disk = disk
  }

  clear(): void {
    this.#parts = []
    this.#used = 0
  }

  room(): number {
    return capacityBytes - this.#used
  }

  add(fd: number, offset: number, length: number, extents: Uint32Array): number {
    const file = this.#disk.fileOf(fd)
    const end = Math.min(offset + length, file.sizeBytes)
    const start = this.#used
    let count = 0
    let lastEnd = -1
    for (let at = offset; at < end;) {
      const part = Math.min(pageBytes - (at % pageBytes), end - at)
      if (file.pages[Math.floor(at / pageBytes)] !== undefined) {
        const bytes = new Uint8Array(part)
        file.read(bytes, 0, part, at)
        this.#parts.push(bytes)
        this.#used += part
        if (at !== lastEnd) {
          extents[2 * count] = at - offset
          extents[2 * count + 1] = 0
          count++
        }
        extents[2 * count - 1] = (extents[2 * count - 1] ?? 0) + part
        lastEnd = at + part
      }
      at += part
    }
    const bytes = Buffer.concat(this.#parts).subarray(start)
    const crc = crc32cOf(bytes, 0, bytes.length, 0)
    this.#last = { offset: start, length: bytes.length, crc }
    return count
  }

  lastCrc(): number {
    return this.#last.crc
  }

  lastOffset(): number {
    return this.#last.offset
  }

  lastLength(): number {
    return this.#last.length
  }

  writeRecord(fd: number, fileOffset: number, header: Uint8Array, headerBytes: number): number {
    const record = Buffer.concat([header.subarray(0, headerBytes), ...this.#parts])
    try {
      this.#disk.write(fd, record, fileOffset)
      return record.length
    } catch (error) {
      if (codeOf(error) === 'ENOSPC') return ENOSPC
      throw error
    }
  }
}

/** Syncs when the simulation says that the time has come: SimDisk.syncInBackground. */
export class SimBackgroundSync implements BackgroundSync {
  readonly #disk: SimDisk
  /** A descriptor of each file that was touched, by its number. */
  readonly #pending = new Map<number, number>()
  #touches = 0
  #touchesSynced = 0

  constructor(disk: SimDisk) {
    this.#disk = disk
  }

  touch(fd: number): void {
    this.#touches++
    const { ino } = this.#disk.fileOf(fd)
    if (!this.#pending.has(ino)) this.#pending.set(ino, this.#disk.reopen(fd))
  }

  syncNow(): number {
    const touches = this.#touches
    for (const fd of this.#pending.values()) {
      this.#disk.syncData(fd)
      this.#disk.close(fd)
    }
    this.#pending.clear()
    this.#touchesSynced = touches
    return 0
  }

  touchesSynced(): number {
    return this.#touchesSynced
  }

  error(): number {
    return 0
  }

  close(): void {
    this.syncNow()
  }
}
