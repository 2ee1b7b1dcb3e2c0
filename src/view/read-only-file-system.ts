import { FsError } from '../base/errno.js'

/** The calls of a FileSystem that change something, where nothing can be changed. */
export abstract class ReadOnlyFileSystem {
  setattr(): never {
    throw readOnly()
  }

  mknod(): never {
    throw readOnly()
  }

  mkdir(): never {
    throw readOnly()
  }

  symlink(): never {
    throw readOnly()
  }

  link(): never {
    throw readOnly()
  }

  unlink(): never {
    throw readOnly()
  }

  rmdir(): never {
    throw readOnly()
  }

  rename(): never {
    throw readOnly()
  }

  create(): never {
    throw readOnly()
  }

  tmpfile(): never {
    throw readOnly()
  }

  prepareWrite(): never {
    throw readOnly()
  }

  fallocate(): never {
    throw readOnly()
  }

  copyRange(): never {
    throw readOnly()
  }

  setxattr(): never {
    throw readOnly()
  }

  removexattr(): never {
    throw readOnly()
  }

  planSync(): readonly number[] {
    return []
  }

  planSyncAll(): readonly number[] {
    return []
  }

  fileFlags(): never {
    throw new FsError('ENOTTY', 'snapshots keep no flags')
  }
}

function readOnly(): FsError {
  return new FsError('EROFS', 'snapshots are read-only')
}
