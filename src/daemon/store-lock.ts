import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fsErrorOf } from '../base/errno.js'
import type { FsError } from '../base/errno.js'
import { Failure } from '../base/failure.js'
import type { Native } from '../base/native.js'
import { O } from '../base/open-flags.js'
import { codeOf } from '../store/durable-file.js'

export const lockFile = 'lock'
const LOCK_EX_NB = 2 | 4

/** The store has a daemon already. */
export class StoreServed extends Failure {
  constructor(store: string, owner: string) {
    const advice = 'leave it the store, or unmount its volumes first'
    super('failed', `the store ${store} is served by another daemon (${owner}): ${advice}`)
  }
}

/** One daemon a store. A flock(2), which the kernel drops whatever becomes of its owner. */
export class StoreLock {
  readonly #native: Native
  #fd: number

  private constructor(native: Native, fd: number) {
    this.#native = native
    this.#fd = fd
  }

  /** `root` leads to the store's directory; `store` is what to call it. */
  static take(native: Native, root: string, store: string): StoreLock {
    const path = join(root, lockFile)
    for (;;) {
      const fd = native.openPath(path, O.RDWR | O.CREAT | O.NOFOLLOW, 0o600)
      if (fd < 0) throw openFailure(fsErrorOf(fd, `open ${join(store, lockFile)}`), store)
      if (!statSync(`/proc/self/fd/${fd}`).isFile()) {
        native.close(fd)
        throw new Failure('damaged', `${join(store, lockFile)} is no regular file: remove it`)
      }
      const result = native.flock(fd, LOCK_EX_NB)
      if (result < 0) {
        native.close(fd)
        const error = fsErrorOf(result, `lock ${join(store, lockFile)}`)
        if (error.code !== 'EAGAIN') throw error
        throw new StoreServed(store, ownerOf(path))
      }
      // A daemon that did not come about may have removed the file between our two calls.
      if (isFile(path, fd)) {
        noteOwner(`/proc/self/fd/${fd}`)
        return new StoreLock(native, fd)
      }
      native.close(fd)
    }
  }

  /** One that a predecessor of this process held: its descriptor was never closed. `root` as for `take`. */
  static adopt(native: Native, root: string, fd: number): StoreLock {
    noteOwner(join(root, lockFile))
    return new StoreLock(native, fd)
  }

  /** Borrowed. */
  get fd(): number {
    return this.#fd
  }

  release(): void {
    if (this.#fd >= 0) this.#native.close(this.#fd)
    this.#fd = -1
  }
}

function openFailure(error: FsError, store: string): Error {
  if (error.code !== 'EROFS') return error
  const advice = 'remount that read-write'
  return new Failure('failed', `the store ${store} is on a read-only file system: ${advice}`)
}

/** For people and messages only: the lock is what counts, and a full disk is the catalog's to tell of. */
function noteOwner(path: string): void {
  try {
    writeFileSync(path, `${process.pid}\n`)
  } catch (error) {
    if (!['ENOSPC', 'EDQUOT'].includes(codeOf(error) ?? '')) throw error
  }
}

function isFile(path: string, fd: number): boolean {
  const named = statSync(path, { throwIfNoEntry: false })
  const opened = statSync(`/proc/self/fd/${fd}`)
  return named?.ino === opened.ino && named.dev === opened.dev
}

function ownerOf(path: string): string {
  try {
    return `pid ${readFileSync(path, 'utf8').trim()}`
  } catch {
    return 'just ending'
  }
}
