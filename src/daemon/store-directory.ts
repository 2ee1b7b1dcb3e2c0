import { chmodSync, existsSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fsErrorOf } from '../base/errno.js'
import { Failure } from '../base/failure.js'
import type { Native } from '../base/native.js'
import { O } from '../base/open-flags.js'
import { Catalog, catalogCopyFile, catalogFile } from '../store/catalog.js'
import { DaemonLog } from './daemon-log.js'
import { failureOf } from './failure-of.js'
import { makeDirectory } from './origin-directory.js'
import { storeKey } from './runtime-directory.js'
import { lockFile, StoreLock } from './store-lock.js'
import type { Undo } from './undo.js'

/**
 * A store in the hands of its one daemon: the directory, the lock, the catalog, the log.
 *
 * It may lie inside an origin that is mounted over, so it is reached through a descriptor: `root` is a
 * path that leads there whatever is mounted later.
 */
export class StoreDirectory {
  readonly path: string
  readonly root: string
  readonly key: string
  readonly catalog: Catalog
  readonly log: DaemonLog

  readonly #native: Native
  readonly #fd: number
  readonly #lock: StoreLock
  #isOpen = true

  private constructor(
    native: Native,
    path: string,
    fd: number,
    lock: StoreLock,
    catalog: Catalog,
    log: DaemonLog,
  ) {
    this.#native = native
    this.#fd = fd
    this.#lock = lock
    this.path = path
    this.root = rootOf(fd)
    this.key = storeKey(statSync(this.root, { bigint: true }))
    this.catalog = catalog
    this.log = log
  }

  /**
   * Makes it if it is missing; its parent must exist. Throws StoreServed if it has a daemon. Until
   * `undo` forgets, it is what closes the store too: the lock must outlast the removal of what was made.
   */
  static open(native: Native, path: string, undo: Undo): StoreDirectory {
    try {
      makeDirectory(path, path, undo)
    } catch (error) {
      throw failureOf(error, "can't make the store")
    }
    const fd = native.openStraight(path, O.PATH | O.DIRECTORY)
    if (fd < 0) throw failureOf(fsErrorOf(fd, path), "can't open the store")
    undo.add(() => {
      native.close(fd)
    })
    const root = rootOf(fd)
    makeOurs(root, path)
    const hasLockFile = existsSync(join(root, lockFile))
    const lock = StoreLock.take(native, root, path)
    undo.add(() => {
      lock.release()
    })
    if (!existsSync(join(root, catalogFile))) removeWhenUndone(root, hasLockFile, undo)
    const log = new DaemonLog(join(root, 'daemon.log'), () => new Date())
    const catalog = openCatalog(root, path)
    return new StoreDirectory(native, path, fd, lock, catalog, log)
  }

  /** By the descriptors of a predecessor of this process, which has died. Throws Failure. */
  static adopt(native: Native, path: string, fd: number, lockFd: number): StoreDirectory {
    const root = rootOf(fd)
    const lock = StoreLock.adopt(native, root, lockFd)
    const log = new DaemonLog(join(root, 'daemon.log'), () => new Date())
    return new StoreDirectory(native, path, fd, lock, openCatalog(root, path), log)
  }

  /** Of the directory, O_PATH. Borrowed. */
  get fd(): number {
    return this.#fd
  }

  get lockFd(): number {
    return this.#lock.fd
  }

  volumeDirectory(id: string): string {
    return join(this.root, 'volumes', id)
  }

  /** A failure in words of the store's path, where a layer below named it by the descriptor. */
  readonly named = (failure: Failure): Failure => renamed(failure, this.root, this.path)

  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#lock.release()
    this.#native.close(this.#fd)
  }
}

/** In the order in which they come about; taken back the other way round, under the lock to the end. */
const ownFiles = [
  ...[lockFile, 'daemon.log', catalogFile, catalogCopyFile],
  ...[`${catalogFile}.tmp`, 'volumes'],
]

/** What this process would write there its owner could not change any more. `root` leads to the store, `path` is what to call it. */
export function refuseOthers(root: string, path: string, advice: string): void {
  const { uid } = statSync(root)
  if (uid === process.geteuid?.()) return
  throw new Failure('failed', `the store ${path} belongs to uid ${uid}: ${advice}`)
}

/** Whoever else could write to it may have put there what leads us, or LMDB, to anywhere. */
function makeOurs(root: string, path: string): void {
  refuseOthers(root, path, 'mount as that user, or choose another --store')
  const { mode } = statSync(root)
  if ((mode & 0o077) === 0) return
  chmodSync(root, 0o700)
  if ((mode & 0o022) === 0 || readdirSync(root).length === 0) return
  const advice = 'look at what is in it, and mount again'
  throw new Failure(
    'failed',
    `the store ${path} could be written to by others (it is mode 0700 now): ${advice}`,
  )
}

/**
 * The store is new: its directory is the user's, perhaps, but what is in it now is ours. By the descriptor, for
 * by its path another directory may be found by then.
 */
function removeWhenUndone(root: string, hasLockFile: boolean, undo: Undo): void {
  for (const name of ownFiles) {
    if (name === lockFile ? hasLockFile : existsSync(join(root, name))) continue
    undo.add(() => {
      rmSync(join(root, name), { recursive: true, force: true })
    })
  }
}

function rootOf(fd: number): string {
  return `/proc/self/fd/${fd}`
}

function openCatalog(root: string, path: string): Catalog {
  try {
    return Catalog.open(root, { create: true })
  } catch (error) {
    throw error instanceof Failure ? renamed(error, root, path) : error
  }
}

function renamed(failure: Failure, root: string, path: string): Failure {
  const message = failure.message.replaceAll(new RegExp(`${root}(?![0-9])`, 'g'), path)
  return new Failure(failure.kind, message, { cause: failure })
}
