import { FileType, StatField } from '../base/attributes.js'
import type { ByteString } from '../base/bytes.js'
import { checked, FsError, fsErrorOf, isErrno } from '../base/errno.js'
import { faultPoint } from '../base/fault-point.js'
import { AT_REMOVEDIR, Rename } from '../base/open-flags.js'
import type { ObjectId } from '../base/ids.js'
import type { Origin } from './origin.js'
import type { OriginNode } from './origin-node.js'
import type { Place } from './places.js'

/**
 * Keeps what the live tree removes and a snapshot needs: by a rename into the retired directory, so
 * that nothing is copied, whatever its size, and its inode number is not used again.
 *
 * The index already says where each object will be; a crash between two steps leaves it at its old
 * place, which the index names too.
 */
export class Retirement {
  readonly #origin: Origin
  #retiredCount = 0

  constructor(origin: Origin) {
    this.#origin = origin
  }

  /** Since the mount. */
  get retiredCount(): number {
    return this.#retiredCount
  }

  /** Takes the name `place` from the live tree. */
  retire(node: OriginNode, place: Place): void {
    faultPoint('retire.begun')
    const { native, directories } = this.#origin
    if (this.#isRetired(node)) {
      // Another of its names was retired before: one link keeps the file.
      checked(native.unlinkAt(directories.of(place.parent), place.name, 0), 'unlink')
      faultPoint('retire.unlinked')
      return
    }
    this.#moveIn(place, node)
  }

  /** Retires what a rename has exchanged and left at `place`. */
  retireReplaced(node: OriginNode, place: Place, leavesWhiteout: boolean): void {
    this.#moveIn(place, node, leavesWhiteout)
  }

  /**
   * Retires `target`, which stands at `to`, while `rename` puts what is at `from` there: no moment without a file
   * at `to`. `leavesWhiteout`: what RENAME_WHITEOUT leaves at `from`, which `rename` itself does.
   */
  replace(
    target: OriginNode,
    from: Place,
    to: Place,
    rename: (from: Place, to: Place) => void,
    leavesWhiteout: boolean,
  ): void {
    if (target.type === FileType.directory) {
      this.#replaceByExchange(target, from, to, rename, leavesWhiteout)
      return
    }
    if (!this.#isRetired(target)) {
      try {
        this.#linkIn(target, to)
      } catch (error) {
        // EMLINK: no link can be added; EPERM, EOPNOTSUPP: the file system has no hard links.
        if (!isErrno(error, 'EMLINK', 'EPERM', 'EOPNOTSUPP')) throw error
        this.#replaceByExchange(target, from, to, rename, leavesWhiteout)
        return
      }
    }
    rename(from, to)
  }

  /**
   * `node` is about to lose a name for good. If somebody still holds it, it keeps a descriptor: so
   * its number can't be used again meanwhile, and calls on it go on working.
   */
  hold(node: OriginNode): void {
    const isHeldOn = node.lookups > 0 || node.references > 0
    if (!isHeldOn || node.isForeign || node.heldFd >= 0 || node.otherPlaces !== undefined) return
    this.#origin.hold(node)
  }

  /**
   * Removes what no snapshot needs any more, and of which the index says nothing. Whoever still holds it keeps it
   * as a file without that name. False: a directory that is not empty, which nobody knows the way into.
   */
  discard(object: ObjectId): boolean {
    const { native, directories, retired } = this.#origin
    const name = this.#origin.retiredName(object)
    if (!this.#origin.hasRetired(object)) return true
    const isDirectory = this.#origin.typeFromStat() === FileType.directory
    const node = this.#origin.known(object)
    if (node !== undefined) this.hold(node)
    const flags = isDirectory ? AT_REMOVEDIR : 0
    const result = native.unlinkAt(directories.of(retired), name, flags)
    if (result < 0 && isErrno(fsErrorOf(result, 'rmdir'), 'ENOTEMPTY')) return false
    checked(result, 'remove from the retired directory')
    if (node !== undefined) {
      node.hasRetiredLink = false
      node.removePlace(retired, name)
      this.#origin.changes?.touch(node)
      // What snapshots knew of it holds no more.
      node.keptLabel = -1
      node.attributesLabel = -1
    }
    return true
  }

  /** Whether it has been in the retired directory since then, or before. */
  isThereSince(object: ObjectId, ms: number): boolean {
    if (!this.#origin.hasRetired(object)) return false
    const { stat } = this.#origin
    const sec = stat[StatField.ctimeSec] ?? Number.NaN
    return sec * 1000 + (stat[StatField.ctimeNsec] ?? 0) / 1e6 <= ms
  }

  /** Whether it is a retired file that has other names. `stat` is filled for it. */
  isLinked(object: ObjectId): boolean {
    const isFile =
      this.#origin.hasRetired(object) && this.#origin.typeFromStat() !== FileType.directory
    return isFile && this.#origin.linksFromStat() > 1
  }

  /** The node of such a file. */
  linked(object: ObjectId): OriginNode | undefined {
    if (!this.isLinked(object)) return undefined
    return this.#origin.nodeFromStat(this.#origin.retired, this.#origin.retiredName(object))
  }

  /** What a retired file takes on the disk; nothing if it has other names. */
  bytesOf(object: ObjectId): number {
    const isIt = this.#origin.hasRetired(object) && this.#origin.linksFromStat() <= 1
    return isIt ? (this.#origin.stat[StatField.blocks] ?? 0) * 512 : 0
  }

  #isRetired(node: OriginNode): boolean {
    if (node.type === FileType.directory) return false
    return node.hasRetiredLink
  }

  #linkIn(node: OriginNode, place: Place): void {
    const { native, directories } = this.#origin
    const result = native.linkAt(
      directories.of(place.parent),
      place.name,
      directories.of(this.#origin.retired),
      this.#nameOf(node),
    )
    checked(result, 'link into the retired directory')
    faultPoint('retire.linked')
    this.#noteRetired(node)
  }

  #replaceByExchange(
    target: OriginNode,
    from: Place,
    to: Place,
    rename: (from: Place, to: Place) => void,
    leavesWhiteout: boolean,
  ): void {
    const error = this.#exchange(from, to)
    if (error?.code === 'EINVAL') {
      // Network and FUSE file systems can't exchange: for a moment nothing stands at `to`.
      this.#moveIn(to, target)
      try {
        rename(from, to)
      } catch (error) {
        this.#moveBack(target, to)
        throw error
      }
      return
    }
    if (error !== undefined) throw error
    try {
      faultPoint('retire.exchanged')
      this.#moveIn(from, target, leavesWhiteout)
    } catch (error) {
      // There may be no room for one more name in the retired directory.
      this.#exchange(from, to)
      throw error
    }
  }

  #exchange(from: Place, to: Place): FsError | undefined {
    const { native, directories } = this.#origin
    const fromFd = directories.of(from.parent)
    const toFd = directories.of(to.parent)
    const result = native.renameAt(fromFd, from.name, toFd, to.name, Rename.exchange)
    return result < 0 ? fsErrorOf(result, 'rename') : undefined
  }

  #moveBack(node: OriginNode, place: Place): void {
    const { native, directories, retired } = this.#origin
    const name = this.#nameOf(node)
    const { parent } = place
    const result = native.renameAt(
      directories.of(retired),
      name,
      directories.of(parent),
      place.name,
      0,
    )
    checked(result, 'move back from the retired directory')
    node.hasRetiredLink = false
    node.removePlace(retired, name)
    this.#origin.changes?.touch(node)
  }

  #moveIn(place: Place, node: OriginNode, leavesWhiteout = false): void {
    const whiteout = leavesWhiteout ? Rename.whiteout : 0
    let result = this.#renameIn(place, node, whiteout)
    if (isErrno(result, 'EACCES') && node.type === FileType.directory) {
      // Moving a directory changes its '..', which asks an ordinary user for write permission on it.
      // Its mode is preserved already, and no live name leads to it from now on.
      const { native } = this.#origin
      this.#origin.withPath(node, (fd) => native.chmodPath(fd, 0o700))
      result = this.#renameIn(place, node, whiteout)
    }
    if (isErrno(result, 'EEXIST') && this.#origin.hasRetired(node.object)) {
      // Its link there was not known of: rename(2) would leave both names of the one file as they are.
      const { native, directories } = this.#origin
      checked(native.unlinkAt(directories.of(place.parent), place.name, 0), 'unlink')
    } else if (result !== undefined) throw result
    faultPoint('retire.moved')
    this.#noteRetired(node)
  }

  #renameIn(place: Place, node: OriginNode, whiteout: number): FsError | undefined {
    const result = this.#tryRenameIn(place, node, Rename.noReplace | whiteout)
    if (!isErrno(result, 'EINVAL')) return result
    // Network and FUSE file systems know no flags. Nobody else makes names in the retired directory.
    if (this.#origin.statName(this.#origin.retired, this.#nameOf(node))) {
      return new FsError('EEXIST', 'the retired directory has such a name')
    }
    return this.#tryRenameIn(place, node, whiteout)
  }

  #tryRenameIn(place: Place, node: OriginNode, flags: number): FsError | undefined {
    const { native, directories } = this.#origin
    const result = native.renameAt(
      directories.of(place.parent),
      place.name,
      directories.of(this.#origin.retired),
      this.#nameOf(node),
      flags,
    )
    return result < 0 ? fsErrorOf(result, 'rename into the retired directory') : undefined
  }

  #noteRetired(node: OriginNode): void {
    this.#retiredCount++
    this.#origin.noteRetired(node)
  }

  #nameOf(node: OriginNode): ByteString {
    return this.#origin.retiredName(node.object)
  }
}
