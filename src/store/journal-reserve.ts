import { join } from 'node:path'
import type { Disk } from './disk.js'
import { codeOf } from './durable-file.js'

/** The records of some 20,000 removals. */
const reserveBytesMax = 8 << 20
/** On a small disk the reserve is not what fills it. */
const shareOfDisk = 64
/** Less is not worth a file. */
const reserveBytesMin = 64 << 10

const reserveName = 'reserve'

/**
 * What the journal can still take when the disk is full: an empty file with blocks set aside, which becomes
 * the next segment. So neither space nor an inode is needed to write what frees space, or ends a session.
 *
 * It is taken when there is at least as much free again, so that it never is the last there was.
 */
export class JournalReserve {
  readonly #disk: Disk
  readonly #directory: string
  readonly #path: string
  #bytes = 0
  #isPossible = true

  constructor(disk: Disk, journalDirectory: string) {
    this.#disk = disk
    this.#directory = journalDirectory
    this.#path = join(journalDirectory, reserveName)
    this.#bytes = this.#bytesSetAside()
  }

  /** How many bytes are set aside; 0: there is no reserve now. */
  get bytes(): number {
    return this.#bytes
  }

  /** Takes a reserve, if there is none and room for one. */
  refill(): void {
    if (this.#bytes > 0 || !this.#isPossible) return
    const wanted = this.#bytesWanted()
    if (wanted < reserveBytesMin || this.#disk.space(this.#directory).bytesFree < 2 * wanted) return
    try {
      this.#disk.remove(this.#path)
      const fd = this.#disk.open(this.#path, 'make new')
      try {
        this.#disk.setAside(fd, 0, wanted)
      } finally {
        this.#disk.close(fd)
      }
      this.#bytes = this.#bytesSetAside()
      if (this.#bytes === 0) this.#isPossible = false
    } catch (error) {
      if (codeOf(error) === undefined) throw error
      this.#disk.remove(this.#path)
    }
  }

  /** Gives the file away, under the name `to`. Returns how many bytes are set aside for it. */
  give(to: string): number {
    const bytes = this.#bytes
    this.#bytes = 0
    this.#disk.rename(this.#path, to)
    return bytes
  }

  /** Removes a file that holds nothing: the file system can't set blocks aside, or there was a crash. */
  #bytesSetAside(): number {
    const facts = this.#disk.stat(this.#path)
    if (facts === undefined) return 0
    // One that has become a segment may have both names after a crash.
    const isUnused = facts.isFile && facts.sizeBytes === 0 && facts.links === 1
    if (isUnused && facts.takenBytes >= reserveBytesMin) return facts.takenBytes
    this.#disk.remove(this.#path)
    return 0
  }

  /** Frees it. False if there is none. */
  giveUp(): boolean {
    if (this.#bytes === 0) return false
    this.#bytes = 0
    this.#disk.remove(this.#path)
    return true
  }

  #bytesWanted(): number {
    const { bytes } = this.#disk.space(this.#directory)
    return Math.min(reserveBytesMax, Math.floor(bytes / shareOfDisk / 4096) * 4096)
  }
}
