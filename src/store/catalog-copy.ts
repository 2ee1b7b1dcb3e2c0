import { join } from 'node:path'
import { Failure } from '../base/failure.js'
import { faultPoint } from '../base/fault-point.js'
import type { Disk } from './disk.js'
import { codeOf, isFull, readWholeFile } from './durable-file.js'

export const catalogCopyFile = 'catalog.copy.json'
/** More than a snapshot with the longest memo adds. */
const slackBytes = 32 << 10
const paddingBytesMax = 1 << 20
const space = 0x20

/**
 * The catalog once more, for a repair, should the other be lost. It may lag behind: a power failure takes what was
 * changed in the last seconds. But it never has a snapshot that was deleted, whose bytes may be gone.
 *
 * It is only ever as good as it can be: what goes wrong with it is nobody's failure.
 */
export class CatalogCopy {
  readonly #disk: Disk
  readonly #directory: string

  constructor(disk: Disk, storeDirectory: string) {
    this.#disk = disk
    this.#directory = storeDirectory
  }

  /** Undefined: there is none, or it can't be read. */
  read(): string | undefined {
    try {
      return readWholeFile(this.#disk, this.#path)?.toString('utf8')
    } catch {
      return undefined
    }
  }

  /**
   * `isDurable`: it is on the disk when this returns, or there is none. Else a kill, but no power failure, leaves it as
   * it was or as it is.
   */
  write(text: string, isDurable: boolean): void {
    try {
      this.#write(Buffer.from(text), isDurable)
    } catch (error) {
      if (!isOfDisk(error)) throw error
      this.#remove(isDurable)
    }
    faultPoint('catalog.copied')
  }

  get #path(): string {
    return join(this.#directory, catalogCopyFile)
  }

  #write(bytes: Buffer, isDurable: boolean): void {
    const disk = this.#disk
    const found = disk.stat(this.#path)
    // Somebody's copy by hard links keeps what it has.
    if (found !== undefined && !(found.isFile && found.links === 1)) disk.remove(this.#path)
    const fd = disk.open(this.#path, 'make')
    try {
      this.#setAside(fd, bytes.length + slackBytes)
      const excess = disk.sizeOf(fd) - bytes.length
      // What is cut off gives its blocks away.
      if (excess > paddingBytesMax) disk.truncate(fd, bytes.length)
      const padding = excess > 0 && excess <= paddingBytesMax ? excess : 0
      disk.write(fd, Buffer.concat([bytes, Buffer.alloc(padding, space)]), 0)
      if (isDurable) disk.sync(fd)
    } finally {
      disk.close(fd)
    }
    if (isDurable) disk.syncDirectory(this.#directory)
  }

  #setAside(fd: number, bytes: number): void {
    try {
      this.#disk.setAside(fd, 0, bytes)
    } catch (error) {
      if (!isFull(error)) throw error
    }
  }

  /** One that may have what was deleted must not stay. */
  #remove(isDurable: boolean): void {
    try {
      this.#disk.remove(this.#path)
      this.#disk.syncDirectory(this.#directory)
    } catch (error) {
      if (isDurable || !isOfDisk(error)) throw error
    }
  }
}

function isOfDisk(error: unknown): boolean {
  return error instanceof Failure || codeOf(error) !== undefined
}
