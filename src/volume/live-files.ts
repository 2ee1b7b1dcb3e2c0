import { FileType, StatField } from '../base/attributes.js'
import type { ByteString } from '../base/bytes.js'
import { checked, FsError, fsErrorOf, isErrno } from '../base/errno.js'
import { faultPoint } from '../base/fault-point.js'
import type { ObjectId } from '../base/ids.js'
import { Fallocate, O, UTIME_OMIT } from '../base/open-flags.js'
import { actingAs } from './acting-as.js'
import type { Identity } from './acting-as.js'
import { isInGroup } from './caller-groups.js'
import type { GroupMember } from './caller-groups.js'
import type { ChunkPreserver, OpenObject } from './chunk-preserver.js'
import type { Origin } from './origin.js'
import type { OriginNode } from './origin-node.js'
import type { Preserver } from './preserver.js'

/** What may be changed about a file: `undefined` leaves it. */
export interface AttributeChanges {
  readonly mode: number | undefined
  readonly uid: number | undefined
  readonly gid: number | undefined
  readonly sizeBytes: number | undefined
  readonly atimeSec: number | undefined
  readonly atimeNsec: number
  readonly mtimeSec: number | undefined
  readonly mtimeNsec: number
  readonly killPrivileges: boolean
}

const setUserId = 0o4000
const setGroupId = 0o2000
const groupExecute = 0o010
const capabilities = 'security.capability'

/** More chunks than this are not preserved for one collapse or insert: it would stop the volume for minutes. */
const shiftedChunksMax = 1 << 20

/** The live tree's contents and attributes: preserved first, then changed in the origin. */
export class LiveFiles {
  readonly #origin: Origin
  readonly #preserver: Preserver
  readonly #chunks: ChunkPreserver
  /** What has lost its file capabilities last. */
  #withoutCapabilities: ObjectId | undefined

  constructor(origin: Origin, preserver: Preserver, chunks: ChunkPreserver) {
    this.#origin = origin
    this.#preserver = preserver
    this.#chunks = chunks
  }

  /**
   * Opens the data of a regular file; the caller closes. For writing also for reading, since old chunks
   * are read before they change. Reading through the mount sets no access time: a
   * snapshot would have to keep the old one of every file that is only looked at.
   */
  open(node: OriginNode, flags: number): number {
    const isWriting = (flags & O.ACCMODE) !== O.RDONLY
    const kept = flags & (O.SYNC | O.DSYNC)
    const wanted = kept | (isWriting ? O.RDWR : O.RDONLY)
    try {
      return this.#origin.open(node, wanted | O.NOATIME)
    } catch (error) {
      // EPERM: only the owner and root may ask for O_NOATIME.
      if (!isErrno(error, 'EPERM')) throw error
      return this.#origin.open(node, wanted)
    }
  }

  /** The same for a file that the origin's file system lets nobody but append to: what is written goes to its end. */
  openToAppend(node: OriginNode, flags: number): number {
    const kept = flags & (O.SYNC | O.DSYNC)
    return this.#origin.open(node, kept | O.RDWR | O.APPEND)
  }

  endsAt(fd: number, offset: number): boolean {
    const { native, stat } = this.#origin
    checked(native.statAt(fd, '' as ByteString, stat), 'stat')
    return offset === this.#origin.sizeFromStat()
  }

  /** Before a write through such a descriptor: EPERM for one that is meant for anywhere else. */
  assertAtEnd(fd: number, offset: number): void {
    if (!this.endsAt(fd, offset)) throw new FsError('EPERM', 'append-only')
  }

  /** `fd`: the file's, if it is open for writing. */
  setAttributes(
    node: OriginNode,
    changes: AttributeChanges,
    caller: GroupMember,
    fd: number | undefined,
  ): void {
    assertOurs(node)
    this.#preserver.begin().attributes(node).commit()
    if (changes.sizeBytes !== undefined) this.#truncate(node, changes.sizeBytes, fd, caller)
    const { native } = this.#origin
    const change = (path: number) => {
      if (changes.uid !== undefined || changes.gid !== undefined) {
        // The origin's file system sees only root: what a member of the old group may keep is up to us.
        if (caller.uid !== 0) this.#killPrivileges(node, path, caller)
        checked(native.chownPath(path, changes.uid ?? -1, changes.gid ?? -1), 'chown')
      }
      if (changes.mode !== undefined) {
        checked(native.chmodPath(path, changes.mode & 0o7777), 'chmod')
      } else if (changes.killPrivileges && this.#isToDrop(node, path, changes, caller)) {
        this.#killPrivileges(node, path, caller)
        // A chown of nothing is seen by its ctime alone.
        if (isOfNothing(changes) && (caller.uid === 0 || !this.#chunks.isWritten(node))) {
          checked(native.chownPath(path, -1, -1), 'chown')
        }
      }
      if (changes.atimeSec !== undefined || changes.mtimeSec !== undefined) {
        const { atimeSec, mtimeSec } = changes
        const result = native.utimensPath(
          path,
          atimeSec ?? 0,
          atimeSec === undefined ? UTIME_OMIT : changes.atimeNsec,
          mtimeSec ?? 0,
          mtimeSec === undefined ? UTIME_OMIT : changes.mtimeNsec,
        )
        checked(result, 'utimens')
      }
    }
    this.#origin.withPath(node, (path) => {
      actingAs(native, caller, () => {
        change(path)
      })
    })
    faultPoint('attributes.changed')
  }

  /** Makes a range safe to overwrite in place; `unprivileged`: by a caller who may not leave set-user-ID there. */
  prepareWrite(
    object: OpenObject,
    fd: number,
    offset: number,
    length: number,
    unprivileged: GroupMember | undefined,
  ): void {
    this.#chunks.beforeWrite(object, fd, offset, length)
    faultPoint('write.prepared')
    if (unprivileged === undefined) return
    this.#preserver.begin().attributes(object.node).commit()
    this.#origin.withPath(object.node, (path) => {
      this.#killPrivileges(object.node, path, unprivileged)
    })
  }

  fallocate(
    object: OpenObject,
    fd: number,
    mode: number,
    offset: number,
    length: number,
    caller: Identity,
  ): void {
    const { native } = this.#origin
    this.#preserver.begin().attributes(object.node).commit()
    if ((mode & (Fallocate.punchHole | Fallocate.zeroRange)) !== 0) {
      this.#chunks.beforeZeros(object, fd, offset, offset + length)
    }
    if ((mode & (Fallocate.collapseRange | Fallocate.insertRange)) !== 0) {
      checked(native.statAt(fd, '' as ByteString, this.#origin.stat), 'stat')
      const shifted = this.#origin.sizeFromStat() - offset
      if (shifted / this.#chunks.chunkBytes > shiftedChunksMax) {
        throw new FsError('EOPNOTSUPP', 'too much of the file would move')
      }
      // What comes to stand where a hole was would show in snapshots: the holes are preserved too.
      if (shifted > 0) this.#chunks.beforeWrite(object, fd, offset, shifted + length)
    }
    faultPoint('allocate.begun')
    const allocate = () => native.fallocate(fd, mode, offset, length)
    checked(actingAs(native, caller, allocate), 'fallocate')
    faultPoint('allocate.done')
  }

  readlink(node: OriginNode): ByteString {
    const { native, directories } = this.#origin
    const target =
      node.parent === undefined
        ? this.#origin.withPath(node, (fd) => native.readlinkAt(fd, '' as ByteString))
        : native.readlinkAt(directories.of(node.parent), node.name)
    if (typeof target === 'number') throw fsErrorOf(target, 'readlink')
    return target
  }

  getXattr(node: OriginNode, name: ByteString): Uint8Array {
    if (node.isForeign) throw new FsError('ENODATA', 'nothing of another file system is shown')
    const { native } = this.#origin
    const value = this.#origin.withPath(node, (path) => native.getXattrPath(path, name))
    if (typeof value === 'number') throw fsErrorOf(value, 'getxattr')
    return value
  }

  listXattr(node: OriginNode): Uint8Array {
    if (node.isForeign) return new Uint8Array(0)
    const { native } = this.#origin
    const list = this.#origin.withPath(node, (path) => native.listXattrPath(path))
    if (typeof list === 'number') throw fsErrorOf(list, 'listxattr')
    return list
  }

  setXattr(
    node: OriginNode,
    name: ByteString,
    value: Uint8Array,
    flags: number,
    caller: Identity,
  ): void {
    assertOurs(node)
    this.#preserver.begin().attributes(node).commit()
    const { native } = this.#origin
    const result = this.#origin.withPath(node, (path) =>
      actingAs(native, caller, () => native.setXattrPath(path, name, value, flags)),
    )
    checked(result, 'setxattr')
    faultPoint('xattr.changed')
  }

  removeXattr(node: OriginNode, name: ByteString, caller: Identity): void {
    assertOurs(node)
    this.#preserver.begin().attributes(node).commit()
    const { native } = this.#origin
    const result = this.#origin.withPath(node, (path) =>
      actingAs(native, caller, () => native.removeXattrPath(path, name)),
    )
    checked(result, 'removexattr')
    faultPoint('xattr.changed')
    this.noteXattrRemoved(node, name)
  }

  /** Now, or by a predecessor of this process. */
  noteXattrRemoved(node: OriginNode, name: ByteString): void {
    if (name !== capabilities) return
    this.#withoutCapabilities = node.object
    this.#origin.changes?.lostCapabilities(node.object)
  }

  /** What a predecessor had noted. */
  restoreLostCapabilities(object: ObjectId | undefined): void {
    this.#withoutCapabilities = object
  }

  #truncate(node: OriginNode, sizeBytes: number, fd: number | undefined, caller: Identity): void {
    if (node.type !== FileType.regular) throw new FsError('EINVAL', 'not a regular file')
    const object = this.#chunks.acquire(node)
    const opened = fd ?? this.open(node, O.RDWR)
    try {
      this.#chunks.beforeTruncate(object, opened, sizeBytes)
      faultPoint('truncate.begun')
      const { native } = this.#origin
      const truncate = () => native.truncatePath(opened, sizeBytes)
      checked(actingAs(native, caller, truncate), 'truncate')
      faultPoint('truncate.done')
    } finally {
      if (fd === undefined) this.#origin.native.close(opened)
      this.#chunks.release(object)
    }
  }

  /**
   * A change of nothing is chown(-1, -1), for which one has to own the file, or what the kernel sends before a
   * write, fallocate or copy: so it is taken for the latter while someone has the file open for writing. Before
   * root's write it comes only when file capabilities had to go, and drops nothing more.
   */
  #isToDrop(node: OriginNode, path: number, changes: AttributeChanges, caller: Identity): boolean {
    const hasLostCapabilities = this.#withoutCapabilities === node.object
    if (this.#withoutCapabilities !== undefined) this.#origin.changes?.lostCapabilities(undefined)
    this.#withoutCapabilities = undefined
    if (!isOfNothing(changes)) return true
    const isWritten = this.#chunks.isWritten(node)
    if (caller.uid === 0) return !(isWritten && hasLostCapabilities)
    if (isWritten || node.type === FileType.directory) return true
    const { native, stat } = this.#origin
    checked(native.statAt(path, '' as ByteString, stat), 'stat')
    const hasAny = ((stat[StatField.mode] ?? 0) & (setUserId | setGroupId)) !== 0
    if (hasAny && caller.uid !== stat[StatField.uid]) throw new FsError('EPERM', 'not the owner')
    return true
  }

  /**
   * As a write, truncation or chown by someone without privileges does. Where group execution is off,
   * set-group-ID does not run as the group, and members may keep it.
   */
  #killPrivileges(node: OriginNode, path: number, caller: GroupMember): void {
    if (node.type === FileType.directory) return
    const { native, stat } = this.#origin
    checked(native.statAt(path, '' as ByteString, stat), 'stat')
    const mode = stat[StatField.mode] ?? 0
    let kept = mode & ~setUserId
    if ((mode & setGroupId) !== 0) {
      const mayKeep = (mode & groupExecute) === 0 && isInGroup(caller, stat[StatField.gid] ?? 0)
      if (!mayKeep) kept &= ~setGroupId
    }
    if (kept !== mode) checked(native.chmodPath(path, kept & 0o7777), 'chmod')
  }
}

function assertOurs(node: OriginNode): void {
  if (node.isForeign) throw new FsError('EROFS', 'another file system is mounted here')
}

function isOfNothing(changes: AttributeChanges): boolean {
  const { mode, uid, gid, sizeBytes, atimeSec, mtimeSec } = changes
  return [mode, uid, gid, sizeBytes, atimeSec, mtimeSec].every((value) => value === undefined)
}
