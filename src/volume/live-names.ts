import { FileType } from '../base/attributes.js'
import type { ByteString } from '../base/bytes.js'
import { checked, FsError, fsErrorOf } from '../base/errno.js'
import { faultPoint } from '../base/fault-point.js'
import { AT_REMOVEDIR, O, Rename } from '../base/open-flags.js'
import { actingAs } from './acting-as.js'
import type { Identity } from './acting-as.js'
import type { Births } from './births.js'
import { isNameFixed } from './file-flags.js'
import type { Origin } from './origin.js'
import type { OriginNode } from './origin-node.js'
import type { Place } from './places.js'
import type { Preserver } from './preserver.js'
import type { Retirement } from './retirement.js'

const unnamed = '' as ByteString

/** Whom a new file shall belong to, and the mask on its mode. */
export interface Owner extends Identity {
  readonly umask: number
}

/**
 * The live tree's names: every operation that adds, removes or moves one.
 *
 * Each preserves what snapshots need, commits that, and only then changes the origin. The nodes that come back
 * are known to nobody yet: the view counts a lookup, or releases them.
 */
export class LiveNames {
  readonly #origin: Origin
  readonly #births: Births
  readonly #preserver: Preserver
  readonly #retirement: Retirement

  constructor(origin: Origin, births: Births, preserver: Preserver, retirement: Retirement) {
    this.#origin = origin
    this.#births = births
    this.#preserver = preserver
    this.#retirement = retirement
  }

  /** The node under a name, with the origin's `stat` filled for it; undefined if there is none. */
  lookup(parent: OriginNode, name: ByteString): OriginNode | undefined {
    if (!this.#origin.statName(parent, name)) return undefined
    return this.#origin.nodeFromStat(parent, name)
  }

  /** Creates and opens a regular file; returns the open descriptor, or -1 and the node of the file that already stands there. */
  create(
    parent: OriginNode,
    name: ByteString,
    flags: number,
    mode: number,
    owner: Owner,
  ): { node: OriginNode; fd: number } {
    this.#beforeCreate(parent, name)
    const { native, directories } = this.#origin
    const fd = native.createAt(
      directories.of(parent),
      name,
      flags | O.CREAT | O.EXCL | O.NOFOLLOW,
      mode,
      owner.uid,
      owner.gid,
      owner.umask,
    )
    checked(fd, 'create')
    faultPoint('create.made')
    try {
      return { node: this.#created(parent, name), fd }
    } catch (error) {
      native.close(fd)
      throw error
    }
  }

  /** Creates and opens a regular file without a name (O_TMPFILE); it may be linked later. */
  createUnnamed(
    parent: OriginNode,
    flags: number,
    mode: number,
    owner: Owner,
  ): { node: OriginNode; fd: number } {
    if (parent.isForeign) throw new FsError('EROFS', 'another file system is mounted here')
    const { native, directories } = this.#origin
    const { uid, gid, umask } = owner
    const wanted = flags | O.TMPFILE
    const parentFd = directories.of(parent)
    const fd = native.createAt(parentFd, unnamed, wanted, mode, uid, gid, umask)
    checked(fd, 'create without a name')
    try {
      const node = this.#origin.addHeld(checked(native.reopen(fd, O.PATH), 'hold the file'))
      this.#births.note(node)
      return { node, fd }
    } catch (error) {
      native.close(fd)
      throw error
    }
  }

  mkdir(parent: OriginNode, name: ByteString, mode: number, owner: Owner): OriginNode {
    this.#beforeCreate(parent, name)
    const { native, directories } = this.#origin
    const { uid, gid, umask } = owner
    checked(native.mkdirAt(directories.of(parent), name, mode, uid, gid, umask), 'mkdir')
    faultPoint('create.made')
    return this.#created(parent, name)
  }

  mknod(
    parent: OriginNode,
    name: ByteString,
    mode: number,
    rdev: number,
    owner: Owner,
  ): OriginNode {
    this.#beforeCreate(parent, name)
    const { native, directories } = this.#origin
    const { uid, gid, umask } = owner
    checked(native.mknodAt(directories.of(parent), name, mode, rdev, uid, gid, umask), 'mknod')
    faultPoint('create.made')
    return this.#created(parent, name)
  }

  symlink(parent: OriginNode, name: ByteString, target: ByteString, owner: Owner): OriginNode {
    this.#beforeCreate(parent, name)
    const { native, directories } = this.#origin
    checked(native.symlinkAt(target, directories.of(parent), name, owner.uid, owner.gid), 'symlink')
    faultPoint('create.made')
    return this.#created(parent, name)
  }

  link(node: OriginNode, parent: OriginNode, name: ByteString, caller: Identity): void {
    this.#preserver.begin().name(parent, name).attributes(parent).attributes(node).commit()
    const { native, directories } = this.#origin
    this.#origin.changes?.links(node, parent, name)
    const parentFd = directories.of(parent)
    const result = this.#origin.withPath(node, (fd) =>
      actingAs(native, caller, () => native.linkPath(fd, parentFd, name)),
    )
    checked(result, 'link')
    faultPoint('link.made')
    if (node.addPlace(parent, name)) this.#origin.changes?.touch(node)
  }

  unlink(parent: OriginNode, name: ByteString): void {
    const node = this.#existing(parent, name)
    try {
      if (node.type === FileType.directory) throw new FsError('EISDIR', 'unlink of a directory')
      this.#remove(node, { parent, name }, 0)
    } finally {
      this.#origin.release(node)
    }
  }

  rmdir(parent: OriginNode, name: ByteString): void {
    const node = this.#existing(parent, name)
    try {
      if (node.type !== FileType.directory) throw new FsError('ENOTDIR', 'rmdir of a file')
      if (node.isForeign) throw new FsError('EBUSY', 'something is mounted here')
      this.#assertEmpty(node, parent)
      this.#remove(node, { parent, name }, AT_REMOVEDIR)
    } finally {
      this.#origin.release(node)
    }
  }

  rename(
    parent: OriginNode,
    name: ByteString,
    newParent: OriginNode,
    newName: ByteString,
    flags: number,
    caller: Identity,
  ): void {
    const from: Place = { parent, name }
    const to: Place = { parent: newParent, name: newName }
    const node = this.#existing(parent, name)
    let target: OriginNode | undefined
    try {
      target = this.lookup(newParent, newName)
      this.#rename(node, from, target, to, flags, caller)
    } finally {
      if (target !== undefined) this.#origin.release(target)
      this.#origin.release(node)
    }
  }

  /**
   * The second half of a rename over an empty directory that snapshots need, which was exchanged and is at `from` by now.
   * `leavesWhiteout`: as RENAME_WHITEOUT.
   */
  finishReplace(from: Place, leavesWhiteout: boolean): void {
    const target = this.#existing(from.parent, from.name)
    try {
      this.#retirement.retireReplaced(target, from, leavesWhiteout)
      target.removePlace(from.parent, from.name)
    } finally {
      this.#origin.release(target)
    }
  }

  #rename(
    node: OriginNode,
    from: Place,
    target: OriginNode | undefined,
    to: Place,
    flags: number,
    caller: Identity,
  ): void {
    if (node.isForeign || target?.isForeign === true) {
      throw new FsError('EBUSY', 'something is mounted here')
    }
    if ((flags & Rename.exchange) !== 0) {
      if (target === undefined) throw new FsError('ENOENT', 'nothing to exchange with')
      this.#exchange(node, from, target, to, caller)
      return
    }
    if (target !== undefined && (flags & Rename.noReplace) !== 0) {
      throw new FsError('EEXIST', 'the new name exists')
    }
    // rename(2): two names of one file are left as they are.
    if (target !== node) this.#move(node, from, target, to, flags, caller)
  }

  #move(
    node: OriginNode,
    from: Place,
    target: OriginNode | undefined,
    to: Place,
    flags: number,
    caller: Identity,
  ): void {
    if (target?.type === FileType.directory) this.#assertEmpty(target, to.parent)
    const isTargetKept = target !== undefined && !this.#births.isBorn(target)
    const preserver = this.#preserver.begin()
    preserver.name(from.parent, from.name).name(to.parent, to.name)
    preserver.attributes(from.parent).attributes(to.parent).attributes(node)
    preserver.move(node, from, to)
    if (isTargetKept) preserver.attributes(target).retire(target, to, from)
    else if (target !== undefined) preserver.forget(target)
    preserver.commit()
    this.#noteMoves(node, from, target, to, flags)
    if (target === undefined) this.#renameAt(from, to, flags, caller)
    else if (isTargetKept) {
      const rename = (source: Place, destination: Place) => {
        this.#renameAt(source, destination, flags, caller)
      }
      this.#retirement.replace(target, from, to, rename, (flags & Rename.whiteout) !== 0)
    } else {
      this.#retirement.hold(target)
      this.#renameAt(from, to, flags, caller)
    }
    this.#noteMoved(node, from, target, to)
  }

  #exchange(node: OriginNode, from: Place, target: OriginNode, to: Place, caller: Identity): void {
    if (node === target) return
    const preserver = this.#preserver.begin()
    preserver.name(from.parent, from.name).name(to.parent, to.name)
    preserver.attributes(from.parent).attributes(to.parent)
    preserver.attributes(node).attributes(target)
    preserver.move(node, from, to).move(target, to, from)
    preserver.commit()
    this.#noteMoves(node, from, target, to, Rename.exchange)
    this.#renameAt(from, to, Rename.exchange, caller)
    this.#noteExchanged(node, from, target, to)
  }

  #remove(node: OriginNode, place: Place, flags: number): void {
    const isKept = !node.isForeign && !this.#births.isBorn(node)
    const preserver = this.#preserver.begin()
    preserver.name(place.parent, place.name).attributes(place.parent)
    if (isKept) preserver.attributes(node).retire(node, place)
    else preserver.forget(node)
    preserver.commit({ mayUseReserve: true })
    this.#origin.changes?.removes(node, place.parent, place.name)
    if (isKept) this.#retirement.retire(node, place)
    else {
      this.#retirement.hold(node)
      const { native, directories } = this.#origin
      checked(native.unlinkAt(directories.of(place.parent), place.name, flags), 'unlink')
      faultPoint('unlink.done')
    }
    this.#noteRemoved(node, place)
  }

  #noteMoves(
    node: OriginNode,
    from: Place,
    target: OriginNode | undefined,
    to: Place,
    flags: number,
  ): void {
    const { changes } = this.#origin
    changes?.moves(node, from.parent, from.name, target, to.parent, to.name, flags)
  }

  #noteMoved(node: OriginNode, from: Place, target: OriginNode | undefined, to: Place): void {
    target?.removePlace(to.parent, to.name)
    node.removePlace(from.parent, from.name)
    node.addPlace(to.parent, to.name)
    if (target !== undefined) this.#origin.changes?.touch(target)
    this.#origin.changes?.touch(node)
  }

  #noteExchanged(node: OriginNode, from: Place, target: OriginNode, to: Place): void {
    node.removePlace(from.parent, from.name)
    target.removePlace(to.parent, to.name)
    node.addPlace(to.parent, to.name)
    target.addPlace(from.parent, from.name)
    this.#origin.changes?.touch(node)
    this.#origin.changes?.touch(target)
  }

  #noteRemoved(node: OriginNode, place: Place): void {
    node.removePlace(place.parent, place.name)
    this.#origin.changes?.touch(node)
  }

  #renameAt(from: Place, to: Place, flags: number, caller: Identity): void {
    const { native, directories } = this.#origin
    const fromFd = directories.of(from.parent)
    const toFd = directories.of(to.parent)
    const rename = () => native.renameAt(fromFd, from.name, toFd, to.name, flags)
    faultPoint('rename.begun')
    const result = actingAs(native, caller, rename)
    checked(result, 'rename')
    faultPoint('rename.done')
  }

  #beforeCreate(parent: OriginNode, name: ByteString): void {
    if (parent.isForeign) throw new FsError('EROFS', 'another file system is mounted here')
    this.#preserver.begin().name(parent, name).attributes(parent).commit()
  }

  #created(parent: OriginNode, name: ByteString): OriginNode {
    const node = this.#existing(parent, name)
    this.#births.note(node)
    return node
  }

  #existing(parent: OriginNode, name: ByteString): OriginNode {
    const node = this.lookup(parent, name)
    if (node === undefined) throw new FsError('ENOENT', 'no such name')
    return node
  }

  /** Flags that forbid the removal come first, as they do to the origin's file system. */
  #assertEmpty(directory: OriginNode, parent: OriginNode): void {
    const { native, directories } = this.#origin
    const fd = this.#origin.open(directory, O.RDONLY | O.DIRECTORY)
    try {
      const listing = native.readDirectory(fd)
      if (typeof listing === 'number') throw fsErrorOf(listing, 'readdir')
      if (listing.length === 0) return
      if (isNameFixed(native, fd) || isNameFixed(native, directories.of(parent))) {
        throw new FsError('EPERM', 'immutable or append-only')
      }
      throw new FsError('ENOTEMPTY', 'the directory is not empty')
    } finally {
      native.close(fd)
    }
  }
}
