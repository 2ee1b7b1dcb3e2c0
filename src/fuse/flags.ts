/** Bits of the protocol's flag fields, named after linux/fuse.h. */

/** FATTR_… of fuse_setattr_in.valid. */
export const SetattrFlag = {
  mode: 1 << 0,
  uid: 1 << 1,
  gid: 1 << 2,
  size: 1 << 3,
  atime: 1 << 4,
  mtime: 1 << 5,
  handle: 1 << 6,
  atimeNow: 1 << 7,
  mtimeNow: 1 << 8,
  lockOwner: 1 << 9,
  killPrivileges: 1 << 11,
} as const

/** FUSE_GETATTR_FH, also for STATX. */
export const GETATTR_HANDLE = 1 << 0

/** FOPEN_… */
export const OpenFlag = {
  directIo: 1 << 0,
  keepCache: 1 << 1,
  cacheDirectory: 1 << 3,
  noFlush: 1 << 5,
} as const

/** FUSE_OPEN_KILL_SUIDGID of fuse_create_in.open_flags. */
export const OPEN_KILL_PRIVILEGES = 1 << 0

/** FUSE_WRITE_KILL_SUIDGID. */
/** Pages of a mapping, which the kernel writes back when it likes. */
export const WRITE_CACHE = 1 << 0
export const WRITE_KILL_PRIVILEGES = 1 << 2

/** FUSE_FSYNC_FDATASYNC. */
export const FSYNC_DATA_ONLY = 1 << 0

/** FUSE_SETXATTR_ACL_KILL_SGID. */
export const SETXATTR_KILL_SGID = 1 << 0

/** STATX_BASIC_STATS and STATX_BTIME. */
export const StatxMask = { basic: 0x7ff, btime: 0x800 } as const
