/**
 * A file system as libfuse 2 sees it: by paths. What fuse-native calls, and what its host process sends on.
 * Paths are absolute, as UTF-8 text. A failure is an FsError.
 *
 * Times are in milliseconds; descriptors are numbers from 1 to 2^31 - 1.
 */
export interface PathOperations {
  getattr(path: string): PathStat
  /** With '.' and '..'. Of each stat only type and number matter. */
  readdir(path: string): { names: string[]; stats: PathStat[] }
  readlink(path: string): string
  mknod(path: string, mode: number, rdev: number): void
  mkdir(path: string, mode: number): void
  symlink(target: string, path: string): void
  link(oldPath: string, newPath: string): void
  unlink(path: string): void
  rmdir(path: string): void
  rename(oldPath: string, newPath: string): void
  chmod(path: string, mode: number): void
  /** 2^32 - 1 leaves the uid or gid. */
  chown(path: string, uid: number, gid: number): void
  truncate(path: string, size: number): void
  ftruncate(path: string, fd: number, size: number): void
  utimens(path: string, atimeMs: number, mtimeMs: number): void
  open(path: string, flags: number): number
  create(path: string, mode: number): number
  release(fd: number): void
  read(fd: number, length: number, offset: number): Uint8Array
  write(fd: number, bytes: Uint8Array, offset: number): number
  fsync(fd: number, dataOnly: boolean): void
  fsyncdir(path: string, dataOnly: boolean): void
  statfs(path: string): PathStatfs
  getxattr(path: string, name: string): Uint8Array
  listxattr(path: string): Uint8Array
  setxattr(path: string, name: string, value: Uint8Array, flags: number): void
  removexattr(path: string, name: string): void
}

/** In the form that fuse-native takes. */
export interface PathStat {
  mode: number
  ino: number
  nlink: number
  uid: number
  gid: number
  rdev: number
  size: number
  blocks: number
  blksize: number
  atime: number
  mtime: number
  ctime: number
}

/** The same; every number fits 32 bits. */
export interface PathStatfs {
  bsize: number
  frsize: number
  blocks: number
  bfree: number
  bavail: number
  files: number
  ffree: number
  favail: number
  namemax: number
}

export type PathOperation = keyof PathOperations
