/**
 * The protocol's structs: where each field starts, and how long the whole is. The first part of a
 * request's body is named after the kernel's struct `fuse_…_in`, of a reply's `fuse_…_out`.
 *
 * Integers are in the host's order. Only little-endian hosts are supported, so that is little-endian.
 */

export const InHeader = {
  length: 0,
  opcode: 4,
  unique: 8,
  node: 16,
  uid: 24,
  gid: 28,
  pid: 32,
  bytes: 40,
} as const

export const OutHeader = { length: 0, error: 4, unique: 8, bytes: 16 } as const

export const AttrOut = { valid: 0, validNsec: 8, attr: 16, bytes: 104 } as const

/** fuse_attr, as it lies in AttrOut and EntryOut. */
export const Attr = {
  ino: 0,
  size: 8,
  blocks: 16,
  atime: 24,
  mtime: 32,
  ctime: 40,
  atimeNsec: 48,
  mtimeNsec: 52,
  ctimeNsec: 56,
  mode: 60,
  nlink: 64,
  uid: 68,
  gid: 72,
  rdev: 76,
  blockBytes: 80,
  flags: 84,
  bytes: 88,
} as const

export const EntryOut = {
  node: 0,
  generation: 8,
  entryValid: 16,
  attrValid: 24,
  entryValidNsec: 32,
  attrValidNsec: 36,
  attr: 40,
  bytes: 128,
} as const

export const ForgetIn = { lookups: 0, bytes: 8 } as const
export const BatchForgetIn = { count: 0, first: 8, bytes: 8 } as const
export const ForgetOne = { node: 0, lookups: 8, bytes: 16 } as const

export const GetattrIn = { flags: 0, handle: 8, bytes: 16 } as const
export const StatxIn = { flags: 0, handle: 8, bytes: 24 } as const

export const StatxOut = {
  valid: 0,
  validNsec: 8,
  mask: 32,
  blockBytes: 36,
  nlink: 48,
  uid: 52,
  gid: 56,
  mode: 60,
  ino: 64,
  size: 72,
  blocks: 80,
  atime: 96,
  btime: 112,
  ctime: 128,
  mtime: 144,
  rdevMajor: 160,
  rdevMinor: 164,
  bytes: 288,
} as const

export const SetattrIn = {
  valid: 0,
  handle: 8,
  size: 16,
  atime: 32,
  mtime: 40,
  atimeNsec: 56,
  mtimeNsec: 60,
  mode: 68,
  uid: 76,
  gid: 80,
  bytes: 88,
} as const

export const MknodIn = { mode: 0, rdev: 4, umask: 8, name: 16, bytes: 16 } as const
export const MkdirIn = { mode: 0, umask: 4, name: 8, bytes: 8 } as const
export const RenameIn = { newParent: 0, names: 8, bytes: 8 } as const
export const Rename2In = { newParent: 0, flags: 8, names: 16, bytes: 16 } as const
export const LinkIn = { node: 0, name: 8, bytes: 8 } as const

export const OpenIn = { flags: 0, openFlags: 4, bytes: 8 } as const
export const OpenOut = { handle: 0, flags: 8, backing: 12, bytes: 16 } as const
export const CreateIn = { flags: 0, mode: 4, umask: 8, openFlags: 12, name: 16, bytes: 16 } as const
export const ReleaseIn = { handle: 0, bytes: 24 } as const
export const FlushIn = { handle: 0, bytes: 24 } as const
export const FsyncIn = { handle: 0, flags: 8, bytes: 16 } as const

export const ReadIn = { handle: 0, offset: 8, size: 16, bytes: 40 } as const
export const WriteIn = {
  handle: 0,
  offset: 8,
  size: 16,
  writeFlags: 20,
  data: 40,
  bytes: 40,
} as const
export const WriteOut = { size: 0, padding: 4, bytes: 8 } as const
export const FallocateIn = { handle: 0, offset: 8, length: 16, mode: 24, bytes: 32 } as const
export const LseekIn = { handle: 0, offset: 8, whence: 16, bytes: 24 } as const
export const CopyFileRangeIn = {
  handleIn: 0,
  offsetIn: 8,
  handleOut: 24,
  offsetOut: 32,
  length: 40,
  bytes: 56,
} as const

export const IoctlIn = { handle: 0, command: 12, inBytes: 24, outBytes: 28, bytes: 32 } as const
export const IoctlOut = { result: 0, flags: 4, inSegments: 8, outSegments: 12, bytes: 16 } as const

export const StatfsOut = {
  blocks: 0,
  blocksFree: 8,
  blocksAvailable: 16,
  files: 24,
  filesFree: 32,
  blockBytes: 40,
  nameBytesMax: 44,
  fragmentBytes: 48,
  bytes: 80,
} as const

/** With FUSE_SETXATTR_EXT the struct goes on beyond `shortBytes`. */
export const SetxattrIn = { size: 0, flags: 4, extFlags: 8, shortBytes: 8, bytes: 16 } as const
export const GetxattrIn = { size: 0, name: 8, bytes: 8 } as const
export const GetxattrOut = { size: 0, padding: 4, bytes: 8 } as const

/** fuse_dirent; READDIRPLUS puts an EntryOut before each. Every record starts at a multiple of 8. */
export const Dirent = {
  ino: 0,
  nextOffset: 8,
  nameBytes: 16,
  type: 20,
  name: 24,
  bytes: 24,
} as const

/** Before protocol 7.36 it ended behind `flags`. */
export const InitIn = {
  major: 0,
  minor: 4,
  readaheadBytesMax: 8,
  flags: 12,
  flags2: 16,
  shortBytes: 16,
  bytes: 64,
} as const
export const InitOut = {
  major: 0,
  minor: 4,
  readaheadBytesMax: 8,
  flags: 12,
  backgroundMax: 16,
  congestionThreshold: 18,
  writeBytesMax: 20,
  timeGranularity: 24,
  pagesMax: 28,
  flags2: 32,
  bytes: 64,
} as const
