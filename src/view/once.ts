import { FileType } from '../base/attributes.js'
import type { ByteString } from '../base/bytes.js'
import { isErrno } from '../base/errno.js'
import type { ObjectId } from '../base/ids.js'
import { AT_REMOVEDIR, Rename } from '../base/open-flags.js'
import type { OriginNode } from '../volume/origin-node.js'
import type { TreeVolume } from '../volume/tree-volume.js'
import type { Intent, IntendedName } from './intent.js'
import type { SessionLog } from './session-log.js'

const xattrCreate = 1

/**
 * Sees to it that what can't be done twice is done once, though a request that a predecessor of this process left
 * unanswered comes again: what it was about to do is on record, and whether it came to that is seen from what is there.
 */
export class Once {
  readonly #volume: TreeVolume
  readonly #log: SessionLog | undefined
  /** The request that is being answered has come before. */
  isAgain = false
  /** Of the request that is being answered, by a predecessor. */
  #former: Intent | undefined

  constructor(volume: TreeVolume, log: SessionLog | undefined) {
    this.#volume = volume
    this.#log = log
  }

  /** A request begins that a predecessor may have carried out and not answered. */
  begins(): void {
    this.isAgain = true
  }

  /** It was begun with this intent, if any. */
  continues(former: Intent | undefined): void {
    this.#former = former
  }

  ends(): void {
    this.isAgain = false
    this.#former = undefined
  }

  /** `type`: S_IFMT bits of what is made; `target`: of a symlink. */
  make<T>(
    directory: OriginNode,
    name: ByteString,
    type: number,
    target: ByteString,
    act: () => T,
  ): T {
    const former = this.#formerOf('make')
    if (former !== undefined) this.#unmake(former)
    else this.#intend('make', [this.#name(directory, name)], 0, type, target)
    return act()
  }

  /** A link, removal or rename, which LiveNames puts on record itself: whether it is done already. */
  isDone(op: 'link' | 'remove' | 'rename'): boolean {
    if (!this.isAgain) return false
    const former = this.#formerOf(op)
    return former !== undefined && this.#isDone(former)
  }

  setXattr(
    node: OriginNode,
    name: ByteString,
    value: Uint8Array,
    flags: number,
    act: () => void,
  ): void {
    if ((flags & xattrCreate) === 0) {
      act()
      return
    }
    const former = this.#formerOf('setxattr')
    if (former === undefined) {
      const isThere = this.#log !== undefined && this.#xattr(node, name) !== undefined
      this.#intend('setxattr', [], node.object, isThere ? 1 : 0, name)
    } else if (former.flags === 0) {
      const found = this.#xattr(node, name)
      if (found !== undefined && Buffer.compare(found, value) === 0) return
    }
    act()
  }

  removeXattr(node: OriginNode, name: ByteString, act: () => void): void {
    const former = this.#formerOf('removexattr')
    if (former === undefined) {
      const isThere = this.#log !== undefined && this.#xattr(node, name) !== undefined
      this.#intend('removexattr', [], node.object, isThere ? 1 : 0, name)
    } else if (former.flags === 1 && this.#xattr(node, name) === undefined) {
      this.#volume.files.noteXattrRemoved(node, name)
      return
    }
    act()
  }

  /**
   * Before anything is served: has the nodes know where a predecessor's last act has left them, and finishes what
   * it left half done.
   */
  settle(intent: Intent): void {
    const [first, second] = intent.names
    if (first === undefined) return
    const directory = this.#directory(first)
    if (directory === undefined) return
    const { origin } = this.#volume
    if (intent.op === 'link') {
      const node = origin.known(intent.object as ObjectId)
      if (node === undefined || !this.#isDone(intent)) return
      if (node.addPlace(directory, first.name)) this.#log?.touch(node)
    } else if (intent.op === 'remove') {
      if (!this.#isDone(intent)) return
      const node = origin.known(first.before as ObjectId)
      node?.removePlace(directory, first.name)
      if (node !== undefined) this.#noteRetired(node)
    } else if (intent.op === 'rename' && second !== undefined) {
      const newDirectory = this.#directory(second)
      if (newDirectory === undefined) return
      this.#settleRename(intent, directory, first, newDirectory, second)
    }
  }

  #settleRename(
    intent: Intent,
    directory: OriginNode,
    from: IntendedName,
    newDirectory: OriginNode,
    to: IntendedName,
  ): void {
    const { origin, names } = this.#volume
    const isExchange = (intent.flags & Rename.exchange) !== 0
    const node = origin.known(from.before as ObjectId)
    const target = to.before === 0 ? undefined : origin.known(to.before as ObjectId)
    const isHalf =
      !isExchange &&
      to.before !== 0 &&
      from.before !== to.before &&
      this.#objectAt(from) === to.before &&
      this.#objectAt(to) === from.before
    if (isHalf) {
      const place = { parent: directory, name: from.name }
      names.finishReplace(place, (intent.flags & Rename.whiteout) !== 0)
    } else if (!this.#isDone(intent)) {
      if (target !== undefined) this.#noteRetired(target)
      return
    }
    node?.removePlace(directory, from.name)
    node?.addPlace(newDirectory, to.name)
    target?.removePlace(newDirectory, to.name)
    if (isExchange) target?.addPlace(directory, from.name)
    else if (target !== undefined) this.#noteRetired(target)
    for (const each of [node, target]) if (each !== undefined) this.#log?.touch(each)
  }

  #intend(
    op: Intent['op'],
    names: readonly IntendedName[],
    object: number,
    flags: number,
    text: ByteString,
  ): void {
    this.#log?.intends({ op, names, object, flags, text })
  }

  /** On record again, as this request's: it may be left unanswered once more. */
  #formerOf(op: Intent['op']): Intent | undefined {
    const former = this.#former
    if (former?.op !== op) return undefined
    this.#log?.intends(former)
    return former
  }

  #name(directory: OriginNode, name: ByteString): IntendedName {
    const { origin } = this.#volume
    const isAsked = this.#log !== undefined && origin.statName(directory, name)
    return { directory: directory.object, name, before: isAsked ? origin.objectFromStat() : 0 }
  }

  #directory({ directory }: IntendedName): OriginNode | undefined {
    return this.#volume.origin.known(directory)
  }

  /** 0: nothing. */
  #objectAt(place: IntendedName): number {
    const { origin } = this.#volume
    const directory = this.#directory(place)
    try {
      if (directory === undefined || !origin.statName(directory, place.name)) return 0
    } catch (error) {
      // The directory itself is not there any more: it was changed behind the mount.
      if (isErrno(error, 'ENOTDIR', 'ESTALE', 'ENOENT')) return 0
      throw error
    }
    return origin.objectFromStat()
  }

  #isDone(intent: Intent): boolean {
    const [first, second] = intent.names
    if (first === undefined) return false
    switch (intent.op) {
      case 'link':
        return first.before === 0 && this.#objectAt(first) === intent.object
      case 'remove':
        return first.before !== 0 && this.#objectAt(first) !== first.before
      case 'rename': {
        if (second === undefined || first.before === 0 || first.before === second.before) {
          return false
        }
        if (this.#objectAt(second) !== first.before) return false
        const left = this.#objectAt(first)
        const isExchange = (intent.flags & Rename.exchange) !== 0
        return isExchange ? left === second.before : left !== first.before
      }
      case 'make':
      case 'setxattr':
      case 'removexattr':
        return false
    }
  }

  /**
   * Takes away what a predecessor has made and told nobody of, so that it can be made anew: only if it is just as it
   * would have made it.
   */
  #unmake({ names: [place], flags: type, text }: Intent): void {
    if (place?.before !== 0) return
    const { origin, files } = this.#volume
    const directory = this.#directory(place)
    if (directory === undefined || !origin.statName(directory, place.name)) return
    if (origin.typeFromStat() !== type) return
    if (type === FileType.regular && (origin.sizeFromStat() > 0 || origin.linksFromStat() > 1)) {
      return
    }
    if (type === FileType.symlink) {
      const node = origin.nodeFromStat(directory, place.name)
      const isSame = files.readlink(node) === text
      origin.release(node)
      if (!isSame) return
    }
    const flags = type === FileType.directory ? AT_REMOVEDIR : 0
    origin.native.unlinkAt(origin.directories.of(directory), place.name, flags)
  }

  /** A link in the retired directory that a predecessor made, and did not come to note. */
  #noteRetired(node: OriginNode): void {
    const { origin } = this.#volume
    if (!node.hasRetiredLink && origin.hasRetired(node.object)) origin.noteRetired(node)
    this.#log?.touch(node)
  }

  #xattr(node: OriginNode, name: ByteString): Uint8Array | undefined {
    try {
      return this.#volume.files.getXattr(node, name)
    } catch (error) {
      if (isErrno(error, 'ENODATA', 'EOPNOTSUPP')) return undefined
      throw error
    }
  }
}
