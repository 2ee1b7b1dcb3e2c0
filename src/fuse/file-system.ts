import type { Attributes } from '../base/attributes.js'
import type { ByteString } from '../base/bytes.js'
import type { FileFlagsCommand } from '../base/open-flags.js'
import type { ReadPlan } from '../base/read-plan.js'

/**
 * Thrown by a FileSystem in place of an answer: it has to wait for what other requests must bring about. Nothing has
 * been done; the transport puts the same request again after its next wake, until it is answered.
 */
export class RequestParked extends Error {
  override readonly name = 'RequestParked'
}

/**
 * What a mount shows: the interface between the FUSE protocol and the views.
 *
 * Every call is synchronous and runs on the volume's one thread, one at a time. A failure is thrown
 * as FsError; anything else thrown is a bug, answered EIO (but see RequestParked). `reply`, `entry`, `caller` and `change`
 * objects belong to the transport and are valid during the call only; an implementation fills the
 * first two and keeps none of them.
 *
 * A node id stands for one inode (of the origin, or of a snapshot) from the first lookup that returns
 * it until `forget` has taken back every lookup. 1 is the root and needs no lookup. Node ids and handles are
 * positive and below 2^53. A handle is never used again within a session, nor is a node id together with its
 * generation, in any session: so whoever has kept both (an NFS client) never gets another file.
 */
export interface FileSystem {
  /**
   * Counts one lookup of entry.node. A name that is absent and may be remembered so: entry.node = 0 and entryTtlMs.
   * `.` is the node itself, which the kernel may have forgotten (ESTALE: it can't be found any more), and `..` the
   * directory above: so the kernel finds a file by what name_to_handle_at(2) gave out.
   */
  lookup(parent: number, name: ByteString, caller: Caller, entry: Entry): void
  forget(node: number, lookups: number): void
  getattr(node: number, handle: number | undefined, reply: AttributesReply): void
  setattr(
    node: number,
    handle: number | undefined,
    change: AttributeChange,
    caller: Caller,
    reply: AttributesReply,
  ): void
  readlink(node: number): ByteString

  /** mknod, mkdir, symlink, link, create and tmpfile count one lookup of entry.node. */
  mknod(
    parent: number,
    name: ByteString,
    mode: number,
    rdev: number,
    caller: Caller,
    entry: Entry,
  ): void
  mkdir(parent: number, name: ByteString, mode: number, caller: Caller, entry: Entry): void
  symlink(parent: number, name: ByteString, target: ByteString, caller: Caller, entry: Entry): void
  link(node: number, newParent: number, newName: ByteString, caller: Caller, entry: Entry): void
  unlink(parent: number, name: ByteString, caller: Caller): void
  rmdir(parent: number, name: ByteString, caller: Caller): void
  /** `flags` as of renameat2(2). */
  rename(
    parent: number,
    name: ByteString,
    newParent: number,
    newName: ByteString,
    flags: number,
    caller: Caller,
  ): void

  /**
   * `flags` as of open(2), without what the kernel does itself: O_CREAT, O_EXCL, O_TRUNC (which comes as
   * a setattr), O_DIRECT. O_APPEND only says that the caller may do no more: the kernel finds the end.
   * For create and tmpfile O_EXCL stays.
   */
  open(node: number, flags: number, caller: Caller, reply: OpenReply): void
  create(
    parent: number,
    name: ByteString,
    flags: number,
    mode: number,
    caller: Caller,
    entry: Entry,
    reply: OpenReply,
  ): void
  tmpfile(
    parent: number,
    flags: number,
    mode: number,
    caller: Caller,
    entry: Entry,
    reply: OpenReply,
  ): void
  release(handle: number): void
  /**
   * Plans a read: at least [offset, offset + length) or up to the end of the file, more if it is cheap.
   * The plan is valid until the next call, or, if the result is a guard >= 0, while that guard's
   * generation stays.
   */
  planRead(handle: number, offset: number, length: number, plan: ReadPlan): number
  /**
   * Makes [offset, offset + length) safe to overwrite, and returns the descriptor to write it to; -1: it was written
   * already, by a predecessor who could not say so any more.
   * `unprivileged`: drop set-user-ID and set-group-ID, as a write by this caller does.
   */
  prepareWrite(
    handle: number,
    offset: number,
    length: number,
    unprivileged: Caller | undefined,
  ): number
  fallocate(handle: number, mode: number, offset: number, length: number, caller: Caller): void
  /** lseek(2) SEEK_DATA (3) or SEEK_HOLE (4). */
  lseek(handle: number, offset: number, whence: number): number
  /** Returns the bytes copied; may be fewer than asked. */
  copyRange(
    handleIn: number,
    offsetIn: number,
    handleOut: number,
    offsetOut: number,
    length: number,
    caller: Caller,
  ): number
  /** The descriptors to sync, in this order, before an fsync of a file or directory may be answered. */
  planSync(handle: number): readonly number[]
  /** The same for syncfs(2). */
  planSyncAll(): readonly number[]

  opendir(node: number, caller: Caller, reply: OpenReply): void
  releasedir(handle: number): void
  /** Feeds entries from `offset` (0 at first, else a nextOffset given before) until the sink is full. `.` and `..` included. */
  readdir(handle: number, offset: number, sink: DirectorySink): void
  /** The same with a lookup of each entry but `.` and `..`. */
  readdirplus(handle: number, offset: number, caller: Caller, sink: DirectorySink): void

  statfs(node: number, reply: StatfsReply): void
  getxattr(node: number, name: ByteString): Uint8Array
  /** NUL-terminated names, those that the caller may see. */
  listxattr(node: number, caller: Caller): Uint8Array
  /** `flags`: XATTR_CREATE 1, XATTR_REPLACE 2. */
  setxattr(node: number, name: ByteString, value: Uint8Array, flags: number, caller: Caller): void
  removexattr(node: number, name: ByteString, caller: Caller): void

  /**
   * The flags of an open file or directory: `value` is the argument of the ioctl(2), a C int or a struct fsxattr,
   * which the gets fill. ENOTTY where there are none.
   */
  fileFlags(
    node: number,
    handle: number,
    command: FileFlagsCommand,
    value: Uint8Array,
    caller: Caller,
  ): void

  /**
   * Around each request, for who keeps what a successor of this process needs. The two halves of its number tell it
   * from every other but itself, when it comes again (bit 63 is set then); `isSilent`: it gets no answer. `ends` is
   * called before the answer is sent, also if there was a failure.
   */
  begins?(high: number, low: number, isSilent: boolean): void
  ends?(): void
  /** INIT was agreed on; a text for `agreement` of a successor. */
  agreed?(agreement: string): void
  /** After a takeover: what `open` replied for each live file that is open, and who opened it. */
  eachOpened?(
    visit: (handle: number, dataFd: number, guard: number, uid: number, gid: number) => void,
  ): void

  /** The mount is gone: closes every descriptor that open handles and nodes hold. */
  destroy(): void
}

export interface Caller {
  uid: number
  gid: number
  pid: number
  /** Of the caller, for calls that create. */
  umask: number
}

export interface AttributesReply {
  attributes: Attributes
  /** How long the kernel may trust the attributes. Infinity: until it is told otherwise. */
  attributesTtlMs: number
}

export interface Entry extends AttributesReply {
  node: number
  /** 32 bits; 0 for the root. */
  generation: number
  /** How long the kernel may trust that the name leads to this node. */
  entryTtlMs: number
}

export interface OpenReply {
  handle: number
  /** Keep the pages cached from earlier opens. */
  keepCache: boolean
  /** The kernel may cache the listing (directories). */
  cacheDirectory: boolean
  directIo: boolean
  /** Live regular file: a transport may read `dataFd` straight, and write it where `guard` allows. -1: none. */
  dataFd: number
  guard: number
}

/** What setattr shall change: `undefined` leaves it. */
export interface AttributeChange {
  mode: number | undefined
  uid: number | undefined
  gid: number | undefined
  sizeBytes: number | undefined
  /** nsec may be UTIME_NOW 0x3fffffff. */
  atimeSec: number | undefined
  atimeNsec: number
  mtimeSec: number | undefined
  mtimeNsec: number
  /** Drop set-user-ID and set-group-ID as a truncation or chown by this caller does. */
  killPrivileges: boolean
}

export interface DirectorySink {
  /** Adds an entry without a lookup. False: no room, it was not taken; stop. `type` is a d_type. */
  add(name: ByteString, inoHigh: number, inoLow: number, type: number, nextOffset: number): boolean
  /** Whether addEntry of a name of that length will fit: asked before the lookup that it would count. */
  hasRoom(nameBytes: number): boolean
  /** The entry to fill for addEntry; its node 0 means that the kernel shall look the name up itself. */
  readonly entry: Entry
  addEntry(name: ByteString, type: number, nextOffset: number): void
}

export interface StatfsReply {
  blockBytes: number
  blocks: number
  blocksFree: number
  blocksAvailable: number
  files: number
  filesFree: number
  fragmentBytes: number
  nameBytesMax: number
}
