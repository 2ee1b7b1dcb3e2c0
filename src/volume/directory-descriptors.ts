import { LRUCache } from 'lru-cache'
import { fsErrorOf } from '../base/errno.js'
import { StatField, statFieldCount } from '../base/attributes.js'
import type { ByteString } from '../base/bytes.js'
import type { Native } from '../base/native.js'
import { O } from '../base/open-flags.js'
import type { OriginNode } from './origin-node.js'

/**
 * O_PATH descriptors of the directories used last.
 *
 * Every access to the origin is relative to one of them, one name long: no path gets longer than the
 * caller's own, and a symlink or a directory moved meanwhile can't lead elsewhere. A descriptor stays
 * right when its directory is renamed, so only forgetting and eviction close it.
 */
export class DirectoryDescriptors {
  readonly #native: Native
  readonly #cache: LRUCache<OriginNode, number>
  readonly #stat = new Float64Array(statFieldCount)

  /** `descriptorsMax`: more than the levels of the deepest path (2,048), since a walk down opens each. */
  constructor(native: Native, descriptorsMax: number) {
    this.#native = native
    this.#cache = new LRUCache<OriginNode, number>({
      max: descriptorsMax,
      dispose: (fd) => this.#native.close(fd),
    })
  }

  get size(): number {
    return this.#cache.size
  }

  /** Borrowed: valid during the request. */
  of(directory: OriginNode): number {
    if (directory.heldFd >= 0) return directory.heldFd
    return this.#cache.get(directory) ?? this.#open(directory)
  }

  /** The directory is no longer known: closes its descriptor. */
  drop(directory: OriginNode): void {
    this.#cache.delete(directory)
  }

  close(): void {
    this.#cache.clear()
  }

  #open(directory: OriginNode): number {
    // Not recursive: a path may be 2,048 levels deep.
    const missing = [directory]
    let above = directory.parent
    while (above !== undefined && above.heldFd < 0 && !this.#cache.has(above)) {
      missing.push(above)
      above = above.parent
    }
    if (above === undefined) throw fsErrorOf(-116, `object ${directory.object} has no name left`)
    let fd = this.of(above)
    for (const node of missing.reverse()) {
      fd = this.#openIn(fd, node)
      this.#cache.set(node, fd)
    }
    return fd
  }

  #openIn(parentFd: number, node: OriginNode): number {
    const flags = O.PATH | O.DIRECTORY | O.NOFOLLOW
    const fd = this.#native.openAt(parentFd, node.name, flags, 0)
    if (fd < 0) throw fsErrorOf(fd, `directory ${node.object}`)
    const result = this.#native.statAt(fd, '' as ByteString, this.#stat)
    if (result < 0 || this.#stat[StatField.ino] !== node.object) {
      this.#native.close(fd)
      // Another directory stands under that name: the origin was changed behind the mount.
      throw fsErrorOf(-116, `directory ${node.object} is not where it was`)
    }
    return fd
  }
}
