/** What stat(2) tells of a file. Times are whole seconds since 1970 (may be negative) and nanoseconds. */
export class Attributes {
  /** st_ino in two halves: a snapshot's numbers use all 64 bits. */
  inoHigh = 0
  inoLow = 0
  mode = 0
  nlink = 1
  uid = 0
  gid = 0
  /** In the kernel's 32-bit encoding (new_encode_dev), as FUSE carries it. */
  rdev = 0
  sizeBytes = 0
  /** In units of 512 bytes. */
  blocks = 0
  blockBytes = 4096
  atimeSec = 0
  atimeNsec = 0
  mtimeSec = 0
  mtimeNsec = 0
  ctimeSec = 0
  ctimeNsec = 0
  /** Birth time; NaN where the file system does not know it. */
  btimeSec = Number.NaN
  btimeNsec = 0
}

/** Fields of the buffer that the addon's stat calls fill, see Native.statAt. */
export const StatField = {
  dev: 0,
  ino: 1,
  mode: 2,
  nlink: 3,
  uid: 4,
  gid: 5,
  rdev: 6,
  size: 7,
  blocks: 8,
  blockBytes: 9,
  atimeSec: 10,
  atimeNsec: 11,
  mtimeSec: 12,
  mtimeNsec: 13,
  ctimeSec: 14,
  ctimeNsec: 15,
  btimeSec: 16,
  btimeNsec: 17,
  /** 1 if something is mounted on it (STATX_ATTR_MOUNT_ROOT). */
  isMountRoot: 18,
} as const

export const statFieldCount = 19

export const FileType = {
  mask: 0o170000,
  fifo: 0o010000,
  character: 0o020000,
  directory: 0o040000,
  block: 0o060000,
  regular: 0o100000,
  symlink: 0o120000,
  socket: 0o140000,
} as const

export function isDirectory(mode: number): boolean {
  return (mode & FileType.mask) === FileType.directory
}

export function isRegular(mode: number): boolean {
  return (mode & FileType.mask) === FileType.regular
}

/** The d_type of a directory entry (DT_REG, DT_DIR, ...) for a mode, and back. */
export function directoryTypeOf(mode: number): number {
  return (mode & FileType.mask) >>> 12
}
