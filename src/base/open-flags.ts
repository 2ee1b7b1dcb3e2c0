import { constants } from 'node:fs'

/** Flags of open(2) and its relatives that node:fs lacks, beside those it has. */
export const O = {
  RDONLY: constants.O_RDONLY,
  WRONLY: constants.O_WRONLY,
  RDWR: constants.O_RDWR,
  ACCMODE: 0o3,
  CREAT: constants.O_CREAT,
  EXCL: constants.O_EXCL,
  NOCTTY: constants.O_NOCTTY,
  TRUNC: constants.O_TRUNC,
  APPEND: constants.O_APPEND,
  NONBLOCK: constants.O_NONBLOCK,
  DIRECT: constants.O_DIRECT,
  SYNC: constants.O_SYNC,
  DSYNC: constants.O_DSYNC,
  DIRECTORY: constants.O_DIRECTORY,
  NOFOLLOW: constants.O_NOFOLLOW,
  NOATIME: constants.O_NOATIME,
  PATH: 0o10000000,
  TMPFILE: 0o20000000 | constants.O_DIRECTORY,
} as const

export const AT_REMOVEDIR = 0x200

export const Rename = { noReplace: 1, exchange: 2, whiteout: 4 } as const

export const Seek = { data: 3, hole: 4 } as const

export const UTIME_NOW = 0x3fffffff
export const UTIME_OMIT = 0x3ffffffe

/** FS_IOC_GETFLAGS and so on of linux/fs.h: the flags of chattr(1), as one number or as a struct fsxattr. */
export const FileFlagsCommand = {
  get: 0x80086601,
  set: 0x40086602,
  getExtended: 0x801c581f,
  setExtended: 0x401c5820,
} as const

export type FileFlagsCommand = (typeof FileFlagsCommand)[keyof typeof FileFlagsCommand]

/** Modes of fallocate(2). */
export const Fallocate = {
  keepSize: 0x01,
  punchHole: 0x02,
  collapseRange: 0x08,
  zeroRange: 0x10,
  insertRange: 0x20,
  unshareRange: 0x40,
} as const
