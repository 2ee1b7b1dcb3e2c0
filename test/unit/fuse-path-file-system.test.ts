import { constants } from 'node:fs'
import { beforeEach, describe, expect, test } from 'vitest'
import type { ByteString } from '../../src/base/bytes.js'
import type { ErrnoCode } from '../../src/base/errno.js'
import { FsError } from '../../src/base/errno.js'
import type { StatfsReply } from '../../src/fuse/file-system.js'
import { PathFileSystem } from '../../src/fuse/path-file-system.js'
import { MemoryFileSystem } from '../support/memory-file-system.js'

const caller = { uid: 7, gid: 8, pid: 0, umask: 0 }
const hidden = '/.fuse_hidden0000000500000001'

let memory: MemoryFileSystem
let paths: PathFileSystem

beforeEach(() => {
  memory = new MemoryFileSystem({ entryTtlMs: Number.POSITIVE_INFINITY })
  paths = new PathFileSystem(memory, caller)
})

function codeOf(act: () => unknown): ErrnoCode | 'success' {
  try {
    act()
    return 'success'
  } catch (error) {
    if (error instanceof FsError) return error.code
    throw error
  }
}

function names(path: string): string[] {
  const [self, parent, ...others] = paths.readdir(path).names
  expect([self, parent]).toEqual(['.', '..'])
  return others
}

describe('by path', () => {
  test('things are made where the path says and belong to the one caller', () => {
    paths.mkdir('/d', 0o700)
    paths.mkdir('/d/e', 0o700)
    paths.release(paths.create('/d/e/f', 0o100640))
    expect(names('/')).toEqual(['d'])
    expect(names('/d/e')).toEqual(['f'])
    expect(paths.getattr('/d/e/f')).toMatchObject({ mode: 0o100640, uid: 7, gid: 8, nlink: 1 })
  })

  test('a listing tells types and numbers', () => {
    paths.mkdir('/d', 0o700)
    paths.symlink('target', '/l')
    const stats = paths.readdir('/').stats.slice(2)
    expect(stats.map(({ mode }) => mode)).toEqual([0o040000, 0o120000])
    expect(stats.map(({ ino }) => ino)).toEqual([paths.getattr('/d').ino, paths.getattr('/l').ino])
  })

  test('a name that is not there is ENOENT, before and after it was', () => {
    expect(codeOf(() => paths.getattr('/f'))).toBe('ENOENT')
    paths.mkdir('/f', 0o700)
    paths.rmdir('/f')
    expect(codeOf(() => paths.getattr('/f'))).toBe('ENOENT')
    expect(codeOf(() => paths.getattr('/f/g'))).toBe('ENOENT')
  })

  test('a directory that was renamed takes all below it along', () => {
    paths.mkdir('/a', 0o700)
    paths.mkdir('/a/b', 0o700)
    paths.mkdir('/ab', 0o700)
    const { ino } = paths.getattr('/a/b')
    paths.rename('/a', '/c')
    expect(paths.nodes.remembered('/ab' as ByteString)).toBeDefined()
    expect(codeOf(() => paths.getattr('/a/b'))).toBe('ENOENT')
    expect(paths.getattr('/c/b').ino).toBe(ino)
    expect(names('/')).toEqual(['ab', 'c'])
  })

  test('what was renamed over is not found any more', () => {
    paths.mknod('/old', 0o100644, 0)
    paths.mknod('/new', 0o100600, 0)
    paths.rename('/new', '/old')
    expect(paths.getattr('/old').mode).toBe(0o100600)
    expect(codeOf(() => paths.getattr('/new'))).toBe('ENOENT')
  })

  test('hard links show one number', () => {
    paths.mknod('/a', 0o100644, 0)
    paths.link('/a', '/b')
    expect(paths.getattr('/b')).toEqual(paths.getattr('/a'))
    expect(paths.getattr('/b').nlink).toBe(2)
  })

  test('attributes are changed one by one', () => {
    paths.mknod('/f', 0o100644, 0)
    paths.chmod('/f', 0o100600)
    paths.chown('/f', 0xffff_ffff, 5)
    paths.truncate('/f', 2 ** 33)
    paths.utimens('/f', 1500, 1_700_000_000_123)
    expect(paths.getattr('/f')).toMatchObject({
      mode: 0o100600,
      uid: 7,
      gid: 5,
      size: 2 ** 33,
      atime: 1500,
      mtime: 1_700_000_000_123,
    })
  })

  test('times before 1970 are kept, though they show as 1970', () => {
    paths.mknod('/f', 0o100644, 0)
    paths.utimens('/f', -1500, -1)
    expect(paths.getattr('/f')).toMatchObject({ atime: 0, mtime: 0 })
    const attributes = memory.root.entries.get('f' as ByteString)
    const { entry } = paths.nodes
    attributes?.fill(entry.attributes)
    expect(entry.attributes).toMatchObject({
      atimeSec: -2,
      atimeNsec: 500_000_000,
      mtimeSec: -1,
      mtimeNsec: 999_000_000,
    })
  })

  test('extended attributes come and go', () => {
    paths.mknod('/f', 0o100644, 0)
    paths.setxattr('/f', 'user.é', Uint8Array.of(1, 0), 1)
    expect(Buffer.from(paths.listxattr('/f')).toString()).toBe('user.é\0')
    expect([...paths.getxattr('/f', 'user.é')]).toEqual([1, 0])
    expect(
      codeOf(() => {
        paths.setxattr('/f', 'user.é', new Uint8Array(0), 1)
      }),
    ).toBe('EEXIST')
    paths.removexattr('/f', 'user.é')
    expect(codeOf(() => paths.getxattr('/f', 'user.é'))).toBe('ENODATA')
  })

  test('statfs makes its fragments larger until their number fits 32 bits', () => {
    memory.statfs = (_node, reply: StatfsReply) => {
      Object.assign(reply, {
        blockBytes: 4096,
        fragmentBytes: 4096,
        blocks: 2 ** 34,
        files: 2 ** 40,
      })
      reply.blocksFree = 2 ** 33
      reply.blocksAvailable = 2 ** 32
    }
    expect(paths.statfs('/')).toMatchObject({
      bsize: 4096,
      frsize: 32768,
      blocks: 2 ** 31,
      bfree: 2 ** 30,
      bavail: 2 ** 29,
      files: 2 ** 32 - 1,
    })
  })
})

describe('open files', () => {
  test('a descriptor is good until it is released', () => {
    const fd = paths.create('/f', 0o100644)
    paths.ftruncate('/f', fd, 10)
    paths.release(fd)
    expect(
      codeOf(() => {
        paths.release(fd)
      }),
    ).toBe('EBADF')
    expect(
      codeOf(() => {
        paths.ftruncate('/f', fd, 0)
      }),
    ).toBe('EBADF')
    expect(memory.handleCount).toBe(0)
  })

  test('two opens of one file have descriptors of their own', () => {
    const first = paths.create('/f', 0o100644)
    const second = paths.open('/f', constants.O_RDONLY)
    expect(second).not.toBe(first)
    paths.release(first)
    paths.release(second)
    expect(memory.handleCount).toBe(0)
  })

  test('open keeps from the file system what the kernel does itself', () => {
    paths.mknod('/f', 0o100644, 0)
    let seen = -1
    const open = memory.open.bind(memory)
    memory.open = (node, flags, from, reply) => {
      seen = flags
      open(node, flags, from, reply)
    }
    const { O_RDWR, O_APPEND, O_DIRECT, O_TRUNC } = constants
    paths.open('/f', O_RDWR | O_APPEND | O_DIRECT | O_TRUNC)
    expect(seen).toBe(O_RDWR)
  })

  test('an open file that is unlinked is really unlinked, and lives on under the name of libfuse', () => {
    const fd = paths.create('/f', 0o100644)
    paths.rename('/f', hidden)
    expect(names('/')).toEqual([])
    paths.ftruncate(hidden, fd, 3)
    expect(paths.getattr(hidden)).toMatchObject({ size: 3 })
    paths.release(fd)
    paths.unlink(hidden)
    expect(codeOf(() => paths.getattr(hidden))).toBe('ENOENT')
    paths.close()
    expect(memory.nodeCount).toBe(1)
  })

  test('a name that only looks like one of libfuse can be unlinked like any other', () => {
    paths.mknod('/.fuse_hidden', 0o100644, 0)
    paths.rename('/.fuse_hidden', '/f')
    expect(names('/')).toEqual(['f'])
    paths.unlink('/f')
    expect(names('/')).toEqual([])
  })

  test('an open file that may not be unlinked stays, and is not held', () => {
    const fd = paths.create('/f', 0o100644)
    memory.unlink = () => {
      throw new FsError('EROFS', 'in a snapshot')
    }
    expect(
      codeOf(() => {
        paths.rename('/f', hidden)
      }),
    ).toBe('EROFS')
    expect(names('/')).toEqual(['f'])
    paths.release(fd)
    paths.close()
    expect(memory.nodeCount).toBe(1)
  })
})

describe('names that text can not hold', () => {
  test('such a name is never taken for another', () => {
    paths.mknod('/f', 0o100644, 0)
    const broken = '/\ufffd'
    for (const act of [
      () => paths.getattr(broken),
      () => {
        paths.mkdir(broken, 0o700)
      },
      () => {
        paths.rename('/f', broken)
      },
      () => {
        paths.rename(broken, '/g')
      },
      () => {
        paths.symlink('\ufffd', '/l')
      },
    ]) {
      expect(codeOf(act)).toBe('EINVAL')
    }
    expect(names('/')).toEqual(['f'])
  })

  test('it is listed with a sign in its place', () => {
    memory.mkdir(1, 'caf\xe9' as ByteString, 0o700, caller, paths.nodes.entry)
    expect(names('/')).toEqual(['caf\ufffd'])
  })

  test('a symlink to such a name can not be read, rather than lead elsewhere', () => {
    memory.symlink(1, 'l' as ByteString, '\xff' as ByteString, caller, paths.nodes.entry)
    expect(codeOf(() => paths.readlink('/l'))).toBe('EINVAL')
  })

  test('every name that is UTF-8 passes unchanged', () => {
    paths.symlink('日本/ü', '/日本')
    expect(names('/')).toEqual(['日本'])
    expect(paths.readlink('/日本')).toBe('日本/ü')
  })
})

describe('lookups', () => {
  test('each is taken back once nothing is remembered', () => {
    paths.mkdir('/d', 0o700)
    paths.release(paths.create('/d/f', 0o100644))
    paths.link('/d/f', '/d/g')
    paths.getattr('/d/g')
    paths.rename('/d/f', '/d/h')
    paths.getattr('/d/h')
    paths.readdir('/d')
    expect(memory.nodeCount).toBe(3)
    paths.close()
    expect(memory.nodeCount).toBe(1)
  })

  test('a path that falls out of the cache is forgotten', () => {
    const few = new PathFileSystem(memory, caller, 2)
    for (const name of ['a', 'b', 'c', 'd']) few.mkdir(`/${name}`, 0o700)
    expect(memory.nodeCount).toBe(1 + 2)
    expect(few.getattr('/a').mode).toBe(0o040700)
  })

  test('a name that is looked up twice is counted once', () => {
    paths.mkdir('/d', 0o700)
    paths.nodes.lookup('/d' as ByteString)
    paths.nodes.lookup('/d' as ByteString)
    expect(memory.root.entries.get('d' as ByteString)?.lookups).toBe(1)
  })

  test('a name is asked for again when its time is over', async () => {
    const brief = new MemoryFileSystem({ entryTtlMs: 5 })
    const view = new PathFileSystem(brief, caller)
    view.mkdir('/d', 0o700)
    const { ino } = view.getattr('/d')
    brief.rmdir(1, 'd' as ByteString)
    brief.mkdir(1, 'd' as ByteString, 0o711, caller, view.nodes.freshEntry())
    await expect.poll(() => view.getattr('/d').ino).not.toBe(ino)
  })

  test('a remembered name whose file was replaced behind our back leads to the new one', () => {
    paths.mkdir('/d', 0o700)
    const getattr = memory.getattr.bind(memory)
    memory.getattr = (node, handle, reply) => {
      if (node !== 1) throw new FsError('ESTALE', 'gone')
      getattr(node, handle, reply)
    }
    expect(paths.getattr('/d').mode).toBe(0o040700)
  })

  test('a remembered name that is gone behind our back is forgotten', () => {
    paths.mkdir('/d', 0o700)
    memory.rmdir(1, 'd' as ByteString)
    memory.getattr = () => {
      throw new FsError('ESTALE', 'gone')
    }
    expect(codeOf(() => paths.getattr('/d'))).toBe('ENOENT')
    expect(memory.nodeCount).toBe(1)
  })

  test('an operation that fails leaves no lookup behind', () => {
    paths.mkdir('/d', 0o700)
    expect(
      codeOf(() => {
        paths.mkdir('/d', 0o700)
      }),
    ).toBe('EEXIST')
    expect(
      codeOf(() => {
        paths.rmdir('/none')
      }),
    ).toBe('ENOENT')
    paths.close()
    expect(memory.nodeCount).toBe(1)
  })
})
