import { LRUCache } from 'lru-cache'
import { fsErrorOf, isFullResult } from '../base/errno.js'
import { StatField, statFieldCount } from '../base/attributes.js'
import type { ByteString } from '../base/bytes.js'
import type { Native } from '../base/native.js'
import { O } from '../base/open-flags.js'
import type { OriginNode } from './origin-node.js'

/** A request borrows at most three; one more is being opened. */
const keptForRequest = 4

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
  /** How many of the directories on a walk down are kept, see `of`. */
  readonly #walkMax: number
  readonly #stat = new Float64Array(statFieldCount)

  /** `descriptorsMax`: at least 16. */
  constructor(native: Native, descriptorsMax: number) {
    this.#native = native
    this.#walkMax = Math.floor(descriptorsMax / keptForRequest)
    this.#cache = new LRUCache<OriginNode, number>({
      max: descriptorsMax,
      dispose: (fd) => this.#native.close(fd),
    })
  }

  get size(): number {
    return this.#cache.size
  }

  /**
   * Borrowed: valid during the request, if that asks for no more than three. However deep a walk down is,
   * it puts only the last of its directories into the cache: so it can't drive out what the request
   * has borrowed before, which was used last.
   */
  of(directory: OriginNode): number {
    if (directory.heldFd >= 0) return directory.heldFd
    return this.#cache.get(directory) ?? this.#open(directory)
  }

  /** The directory is no longer known: closes its descriptor. */
  drop(directory: OriginNode): void {
    this.#cache.delete(directory)
  }

  /** There are no descriptors left: closes the one that was not used for longest. False: what is left may be borrowed. */
  closeOldest(): boolean {
    if (this.#cache.size <= keptForRequest) return false
    this.#cache.pop()
    return true
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
    // Of a descriptor that is not in the cache, and so ours to close.
    let passing = -1
    for (let left = missing.length - 1; left >= 0; left--) {
      const node = missing[left] ?? directory
      try {
        fd = this.#openIn(fd, node)
      } finally {
        if (passing >= 0) this.#native.close(passing)
      }
      passing = left < this.#walkMax ? -1 : fd
      if (passing < 0) this.#cache.set(node, fd)
    }
    return fd
  }

  #openIn(parentFd: number, node: OriginNode): number {
    const flags = O.PATH | O.DIRECTORY | O.NOFOLLOW
    let fd = this.#native.openAt(parentFd, node.name, flags, 0)
    while (isFullResult(fd) && this.closeOldest()) {
      fd = this.#native.openAt(parentFd, node.name, flags, 0)
    }
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
