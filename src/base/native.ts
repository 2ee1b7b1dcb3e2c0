import { createRequire } from 'node:module'
import type { ByteString } from './bytes.js'

/**
 * The C++ addon (native/): system calls that Node lacks, and all bulk data.
 *
 * Calls return a result >= 0, or a negative errno; `checked` of errno.ts turns the latter into an
 * FsError. They throw only for arguments of a wrong type, which is a bug. Names are ByteStrings, one
 * component each; an empty name means the descriptor itself where stated. Every descriptor made here
 * is close-on-exec. `xxxPath` calls take O_PATH descriptors too.
 */
export interface Native {
  // --- descriptors
  /** open(2) of a path of the daemon's own (UTF-8): the origin, the store. Never one from a request. */
  openPath(path: string, flags: number, mode: number): number
  /** The same of a directory, in a path that has no symbolic links any more: ELOOP if it has. */
  openStraight(path: string, flags: number): number
  /**
   * openat2(2) of one component: RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV. EXDEV where
   * something is mounted; ELOOP for a symlink unless O_PATH. O_DIRECT and flags that open(2)
   * does not know are dropped, here and by createAt and reopen. With O_APPEND writes ignore their offset.
   */
  openAt(dirFd: number, name: ByteString, flags: number, mode: number): number
  /** Opens the file behind a descriptor anew, by /proc/self/fd. */
  reopen(fd: number, flags: number): number
  duplicate(fd: number): number
  /** Commands that are run from now on get none of this process's descriptors but the first three. */
  closeAllOnExec(): number
  /** dup3(2): `to` stands for the same file from now on, and never for none between. */
  duplicateTo(fd: number, to: number): number
  close(fd: number): number
  /** flock(2): `operation` is LOCK_SH 1, LOCK_EX 2, LOCK_UN 8, with LOCK_NB 4. */
  flock(fd: number, operation: number): number
  /** Sets RLIMIT_NOFILE to its hard limit and returns that. */
  raiseDescriptorLimit(): number
  /** unshare(CLONE_FS) for the calling thread, so that umask is its own, and keeps capabilities over setfsuid (SECBIT_NO_SETUID_FIXUP where permitted). */
  isolateThread(): number

  /**
   * From now on the calling thread changes files as this user does, as far as root's daemon can do so: what it makes
   * is his, and his quota and no reserved block counts. Its right to reach files stays. Until actAsSelf.
   */
  actAs(uid: number, gid: number): number
  actAsSelf(): number

  // --- names. uid/gid/umask: the caller's, whom the new file shall belong to.
  statAt(dirFd: number, name: ByteString, out: Float64Array): number
  /** openAt with O_CREAT; or with O_TMPFILE in `flags` and the empty name. */
  createAt(
    dirFd: number,
    name: ByteString,
    flags: number,
    mode: number,
    uid: number,
    gid: number,
    umask: number,
  ): number
  mkdirAt(
    dirFd: number,
    name: ByteString,
    mode: number,
    uid: number,
    gid: number,
    umask: number,
  ): number
  mknodAt(
    dirFd: number,
    name: ByteString,
    mode: number,
    rdev: number,
    uid: number,
    gid: number,
    umask: number,
  ): number
  symlinkAt(target: ByteString, dirFd: number, name: ByteString, uid: number, gid: number): number
  /** linkat(2); the old name is not followed. */
  linkAt(oldDirFd: number, oldName: ByteString, newDirFd: number, newName: ByteString): number
  /** A new name for an open (also O_PATH) file. */
  linkPath(fd: number, newDirFd: number, newName: ByteString): number
  /** unlinkat(2); `flags` AT_REMOVEDIR 0x200 for a directory. */
  unlinkAt(dirFd: number, name: ByteString, flags: number): number
  /** renameat2(2); `flags` RENAME_NOREPLACE 1, RENAME_EXCHANGE 2, RENAME_WHITEOUT 4. */
  renameAt(
    oldDirFd: number,
    oldName: ByteString,
    newDirFd: number,
    newName: ByteString,
    flags: number,
  ): number
  /** With the empty name the target of the symlink that is open (O_PATH) as `dirFd`. */
  readlinkAt(dirFd: number, name: ByteString): ByteString | number
  /**
   * 32 bits that tell this use of the object's inode number from every other, for as long as it lives;
   * EOPNOTSUPP where the origin's file system has none. The empty name: of the one that is open.
   */
  generationAt(dirFd: number, name: ByteString): number
  /**
   * Opens what has that inode number on the file system of `directoryFd`, which must be open for reading. ESTALE:
   * nothing; EOPNOTSUPP: not ext2 to ext4, XFS or btrfs; EPERM without CAP_DAC_READ_SEARCH.
   */
  openByInode(directoryFd: number, ino: number, flags: number): number
  /** O_PATH descriptor of the directory above an open one. EXDEV: something is mounted on that. */
  openParent(directoryFd: number): number
  /**
   * The whole listing of a directory open for reading, without '.' and '..', packed: for each entry
   * u64le ino, u8 d_type, u8 name length, the name.
   */
  readDirectory(fd: number): Buffer | number

  // --- attributes
  chmodPath(fd: number, mode: number): number
  /** -1 leaves the uid or gid. */
  chownPath(fd: number, uid: number, gid: number): number
  /** nsec may be UTIME_NOW (0x3fffffff) or UTIME_OMIT (0x3ffffffe). Works on symlinks. */
  utimensPath(
    fd: number,
    atimeSec: number,
    atimeNsec: number,
    mtimeSec: number,
    mtimeNsec: number,
  ): number
  truncatePath(fd: number, size: number): number
  getXattrPath(fd: number, name: ByteString): Buffer | number
  setXattrPath(fd: number, name: ByteString, value: Uint8Array, flags: number): number
  /** NUL-separated names, as listxattr(2) gives them. */
  listXattrPath(fd: number): Buffer | number
  removeXattrPath(fd: number, name: ByteString): number
  /** ioctl(2) with a FileFlagsCommand and its argument, of a file or directory that is open (not O_PATH). */
  fileFlags(fd: number, command: number, value: Uint8Array): number
  /** out: blockBytes, blocks, blocksFree, blocksAvailable, files, filesFree, fragmentBytes, nameMax, type. */
  statfs(fd: number, out: Float64Array): number

  // --- data
  /** lseek(2) with SEEK_DATA 3 or SEEK_HOLE 4. */
  seek(fd: number, offset: number, whence: number): number
  fallocate(fd: number, mode: number, offset: number, length: number): number
  copyRange(
    fdIn: number,
    offsetIn: number,
    fdOut: number,
    offsetOut: number,
    length: number,
  ): number
  fsync(fd: number, dataOnly: boolean): number
  syncfs(fd: number): number
  /** CRC-32C (Castagnoli) of bytes, continuing from `seed` (0 at first). */
  crc32c(bytes: Uint8Array, seed: number): number
  /** pread(2) to fill `buffer`; returns the bytes read (short only at the end of the file). */
  readAt(fd: number, buffer: Uint8Array, offset: number): number
  /** pwrite(2) of the whole buffer. */
  writeAt(fd: number, buffer: Uint8Array, offset: number): number
  /** Fills `buffer` from a ReadPlan's words, from file offset `offset` on; returns the bytes read. EIO on a checksum mismatch. */
  readByPlan(
    words: Float64Array,
    pieceCount: number,
    planOffset: number,
    offset: number,
    buffer: Uint8Array,
  ): number

  // --- what outlives the process
  /** memfd_create(2). */
  memoryFile(name: string): number
  /** The first `bytes` of a file, shared with whoever else maps it. */
  mapShared(fd: number, bytes: number): ArrayBuffer | number
  /**
   * Starts the process that holds this one's descriptors and starts a successor by `argv` and `environment` if this
   * one dies; its pid. See native/core/supervisor.h for what is in the two memory files. For the main thread.
   */
  startSupervisor(
    pageFd: number,
    keepFd: number,
    argv: readonly string[],
    environment: readonly string[],
  ): number
  /** 1: the child has ended, and is gone for good; 0: it runs. */
  hasChildEnded(pid: number): number
  /** 1: a read would not wait. */
  isReadable(fd: number): number

  // --- processes and mounts
  /** What this thread executes from now on has at most these capabilities (bits; as far as it has CAP_SETPCAP), and gains none. */
  confineChildren(capabilities: number): number
  eventFd(): number
  signalEventFd(fd: number): number
  openFuse(): number
  /** mount(2) of that type (`fuse.bygone`); options as in mount.fuse(8) without fd. */
  mountFuse(
    fuseFd: number,
    mountPoint: string,
    source: string,
    type: string,
    flags: number,
    options: string,
  ): number
  umount(mountPoint: string, flags: number): number
  /**
   * syncfs(2) of the mount, off this thread. EXDEV: another file system than `device` ("major:minor") is reached by
   * that path. Resolves with a result, never rejects.
   */
  syncMount(mountPoint: string, device: string): Promise<number>
  /**
   * Runs fusermount3 and takes the descriptor it hands over; blocks. ENOENT: not installed. EPERM: it
   * refused, for the reason in fusermountMessage().
   */
  mountByFusermount(mountPoint: string, options: string): number
  fusermountMessage(): string
  /** SO_PEERCRED of a connected Unix socket: the peer's uid, or a negative errno. */
  peerUid(socketFd: number): number
  /** One datagram to a service manager's socket (NOTIFY_SOCKET): a path, or `@` and an abstract name. */
  notifyService(socket: string, message: string): number

  Guards: new () => Guards
  Session: new (fuseFd: number, wakeFd: number, guards: Guards, maxWriteBytes: number) => Session
  ChunkStage: new (capacityBytes: number) => ChunkStage
  BackgroundSync: new (intervalMs: number) => BackgroundSync
}

/**
 * For each object with open files: which of its chunks may be written in place, because what a
 * snapshot needs of them is safe already (or nothing is needed). Belongs to one volume, used on its thread.
 */
export interface Guards {
  /** A new snapshot was cut: every guard of an older epoch permits nothing until it is reset. */
  setEpoch(epoch: number): void
  create(): number
  free(guard: number): void
  /** How many are in use. */
  count(): number
  /** Guarded afresh in the current epoch; chunks from `chunksGuarded` on may be written (the snapshot ends there). */
  reset(guard: number, chunkShift: number, chunksGuarded: number): void
  /** The object was born since the newest snapshot: all may be written in the current epoch. */
  allowAll(guard: number): void
  /** Whether reset or allowAll was called in the current epoch. */
  isCurrent(guard: number): boolean
  /** These chunks are preserved: they may be written. Bumps the generation. */
  mark(guard: number, chunkFirst: number, chunkCount: number): void
  allows(guard: number, offset: number, length: number): boolean
  /** Changes with every mark and bump; a read plan that uses the origin's bytes holds only for the generation it was made in. */
  generation(guard: number): number
  bump(guard: number): void
}

/** One FUSE session: the blocking receive and reply of DESIGN section 5, and the data that passes by JavaScript. */
export interface Session {
  /** The request as the kernel sent it, from fuse_in_header on. Overwritten by the next exchange. */
  readonly request: ArrayBuffer
  /** A reply to be sent, from fuse_out_header on, whole: length field included. */
  readonly reply: ArrayBuffer
  /**
   * Sends the first `replyBytes` of `reply` (0: nothing to send), then blocks for the next request
   * that JavaScript must see and returns its length. READ and WRITE of attached handles that their
   * plan covers are answered inside. 0: woken through wakeFd. Negative errno: ENODEV after unmount.
   */
  exchange(replyBytes: number): number
  /**
   * Live file: reads of `handle` go to fd; writes too, where `guard` allows. fd -1: reads always come to JavaScript.
   * Writes count as the caller's, or where the kernel writes back mapped pages as the opener's, whose ids these are.
   */
  attach(handle: number, fd: number, guard: number, uid: number, gid: number): void
  detach(handle: number): void
  /**
   * Answers the READ in `request` by a plan. With guard >= 0 the plan is kept for the handle and used
   * for later reads inside it while guard's generation stays. Returns 0, or a negative errno and has not answered.
   */
  replyRead(
    words: Float64Array,
    pieceCount: number,
    planOffset: number,
    planBytes: number,
    reachesEnd: boolean,
    guard: number,
  ): number
  /** Carries out the WRITE in `request` on fd and answers it. Returns the bytes written, or a negative errno and has not answered. */
  replyWrite(fd: number): number
  /** Syncs the descriptors in order (duplicated first) on a thread of the addon's pool, then answers the request in `request`. */
  replyAfterSync(fds: readonly number[], dataOnly: boolean): void
  /** Has the kernel ask again what it got no answer to (FUSE_NOTIFY_RESEND): before the first exchange of a successor. */
  notifyResend(): number
  /** FUSE_NOTIFY_INVAL_ENTRY / INVAL_INODE, sent from a thread of the addon: the kernel may hold locks that only our replies free. */
  notifyEntry(parentHigh: number, parentLow: number, name: ByteString): void
  /** The kernel is to ask for the name before it uses it again. Takes no directory or mount in use away. */
  notifyExpire(parentHigh: number, parentLow: number, name: ByteString): void
  notifyInode(nodeHigh: number, nodeLow: number, offset: number, length: number): void
  /** The same for the attributes of the node that `request` is about, done when this returns. */
  expireAttributes(nodeHigh: number, nodeLow: number): void
  /** Waits for work under way on the addon's threads; safe to call twice. */
  close(): void
  /**
   * Counts since the start: requests, those that never reached JavaScript, replies the kernel refused (a
   * bug); and how many handles are attached now.
   */
  stats(): {
    requests: number
    readsServed: number
    writesServed: number
    repliesRefused: number
    handlesAttached: number
  }
}

/** A buffer for old chunk bytes on their way from the origin into the journal, and the journal record's writer. */
export interface ChunkStage {
  /** Empties it. */
  clear(): void
  /** Free bytes. */
  room(): number
  /**
   * Adds bytes [offset, offset + length) of `fd`, without its holes (4 KiB granularity by SEEK_DATA;
   * bytes past the end of the file are a hole). Writes to `extents` pairs of u32 (offset in the chunk,
   * length) and returns their number; the staged bytes are their concatenation.
   */
  add(fd: number, offset: number, length: number, extents: Uint32Array): number
  /** CRC-32C of the bytes the last `add` staged, and where they start in the stage. */
  lastCrc(): number
  lastOffset(): number
  lastLength(): number
  /**
   * Writes one record at `fileOffset` by one system call: header bytes, then the staged bytes. The
   * caller has filled `header` whole. Returns the bytes written or a negative errno.
   */
  writeRecord(fd: number, fileOffset: number, header: Uint8Array, headerBytes: number): number
}

/** fdatasync of the newest journal segment in the background, at most intervalMs after a touch. */
export interface BackgroundSync {
  touch(fd: number): void
  /** Syncs now if touched since; returns 0 or the first errno met so far (negative), which stays. */
  syncNow(): number
  /** How many touches, counted from the first, a finished sync covers: what was written before them is on the disk. */
  touchesSynced(): number
  error(): number
  close(): void
}

let loaded: Native | undefined

/** The addon, loaded on first use. Throws with advice if it was never built. */
export function native(): Native {
  if (loaded === undefined) {
    const require = createRequire(import.meta.url)
    try {
      loaded = require('../../native/build/Release/bygone_native.node') as Native
    } catch (error) {
      throw new Error('the native addon is missing: build it with `npm run build:native`', {
        cause: error,
      })
    }
  }
  return loaded
}
