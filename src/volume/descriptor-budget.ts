import { FsError } from '../base/errno.js'
import type { Native } from '../base/native.js'

/**
 * How the descriptors that the process may have are shared out: most are for the files that programs
 * hold open, and the rest keeps everything else going when those are used up.
 */
export class DescriptorBudget {
  readonly #native: Native
  /** Descriptors from this number on are bygone's own. The kernel hands out the lowest that is free. */
  readonly #ownFrom: number
  /** How many directories one volume may keep open. */
  readonly directoriesMax: number

  constructor(native: Native) {
    this.#native = native
    // Raised when the daemon started: here it only tells.
    const limit = Math.max(native.raiseDescriptorLimit(), 0)
    // What one request may need, the directories of two volumes, and some files that are unlinked while open.
    this.#ownFrom = limit - Math.max(Math.floor(limit / 8), 64)
    this.directoriesMax = Math.min(Math.max(Math.floor(limit / 16), 16), 4096)
  }

  /** Before a program's file is opened. `anyFd`: some descriptor, only to be duplicated. */
  assertRoom(anyFd: number): void {
    const fd = this.#native.duplicate(anyFd)
    if (fd >= 0) this.#native.close(fd)
    if (fd >= 0 && fd < this.#ownFrom) return
    throw new FsError('EMFILE', 'too many files are open on the mount')
  }
}
