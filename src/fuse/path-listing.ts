import type { ByteString } from '../base/bytes.js'
import { textOf } from '../base/bytes.js'
import { newEntry } from './blank.js'
import type { DirectorySink } from './file-system.js'
import type { InodeNumbers } from './inode-numbers.js'
import type { PathStat } from './path-operations.js'

/** A whole listing at once. */
export class PathListing implements DirectorySink {
  readonly names: string[] = []
  readonly stats: PathStat[] = []
  readonly entry = newEntry()
  readonly #numbers: InodeNumbers

  constructor(numbers: InodeNumbers) {
    this.#numbers = numbers
  }

  add(name: ByteString, inoHigh: number, inoLow: number, type: number): boolean {
    this.names.push(textOf(name))
    this.stats.push({ ...emptyStat, mode: type << 12, ino: this.#numbers.of(inoHigh, inoLow) })
    return true
  }

  hasRoom(): boolean {
    return true
  }

  addEntry(): void {
    throw new Error('a plain listing takes no entries')
  }
}

const emptyStat: PathStat = {
  mode: 0,
  ino: 0,
  nlink: 1,
  uid: 0,
  gid: 0,
  rdev: 0,
  size: 0,
  blocks: 0,
  blksize: 0,
  atime: 0,
  mtime: 0,
  ctime: 0,
}
