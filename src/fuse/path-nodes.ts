import { LRUCache } from 'lru-cache'
import type { ByteString } from '../base/bytes.js'
import { FsError } from '../base/errno.js'
import { newEntry } from './blank.js'
import type { Caller, Entry, FileSystem } from './file-system.js'

/** Far more than a path has components, so that a walk never drops the node it stands on. */
const pathsMaxDefault = 10_000

interface Known {
  readonly node: number
}

/**
 * Finds nodes by path. Remembers each for as long as the file system lets its name be trusted, and
 * holds exactly one lookup of it for that time.
 *
 * A path is a ByteString without a slash at its end; the root's is empty.
 */
export class PathNodes {
  /** What the last `find` or `lookup` that asked the file system learned. */
  readonly entry: Entry = newEntry()

  readonly #fileSystem: FileSystem
  readonly #caller: Caller
  readonly #known: LRUCache<ByteString, Known>

  constructor(fileSystem: FileSystem, caller: Caller, pathsMax = pathsMaxDefault) {
    this.#fileSystem = fileSystem
    this.#caller = caller
    this.#known = new LRUCache({
      max: pathsMax,
      dispose: ({ node }) => {
        fileSystem.forget(node, 1)
      },
    })
  }

  get size(): number {
    return this.#known.size
  }

  find(path: ByteString): number {
    return this.remembered(path) ?? this.lookup(path)
  }

  /** The node, if its name need not be asked for again. */
  remembered(path: ByteString): number | undefined {
    return path === '' ? 1 : this.#known.get(path)?.node
  }

  /** Asks for the last name in any case. ENOENT if there is none. */
  lookup(path: ByteString): number {
    const parent = this.find(parentOf(path))
    const entry = this.freshEntry()
    this.#fileSystem.lookup(parent, nameOf(path), this.#caller, entry)
    if (entry.node === 0) {
      this.drop(path)
      throw new FsError('ENOENT', 'no such name')
    }
    this.remember(path)
    return entry.node
  }

  freshEntry(): Entry {
    const entry = this.entry
    entry.node = 0
    entry.entryTtlMs = 0
    entry.attributesTtlMs = 0
    return entry
  }

  /** Takes over the lookup that filling `entry` has counted. */
  remember(path: ByteString): void {
    const { node, entryTtlMs } = this.entry
    // The cache takes 0 for no limit.
    const ttl = entryTtlMs === Number.POSITIVE_INFINITY ? 0 : Math.max(1, Math.ceil(entryTtlMs))
    this.#known.set(path, { node }, { ttl })
  }

  drop(path: ByteString): void {
    this.#known.delete(path)
  }

  /** The path, and all below it, now lead elsewhere. */
  dropTree(path: ByteString): void {
    const below = `${path}/`
    for (const known of [...this.#known.keys()]) {
      if (known === path || known.startsWith(below)) this.#known.delete(known)
    }
  }

  clear(): void {
    this.#known.clear()
  }
}

export function parentOf(path: ByteString): ByteString {
  return path.slice(0, path.lastIndexOf('/')) as ByteString
}

export function nameOf(path: ByteString): ByteString {
  return path.slice(path.lastIndexOf('/') + 1) as ByteString
}
