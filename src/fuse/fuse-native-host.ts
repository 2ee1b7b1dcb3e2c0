import { readdirSync, readlinkSync } from 'node:fs'
import { loadFuseNative } from './fuse-native-package.js'
import type { FuseNative, Operations, Signal } from './fuse-native-package.js'
import type { FromHost, MountOrder, PathCall, ToHost } from './fuse-native-messages.js'

/*
 * The process that holds libfuse for one mount, and sends on what it asks. A process of its own since
 * fuse-native always runs its handlers on the main thread's event loop: in a worker thread it aborts the
 * whole process. So its own faults can't take the daemon along, either.
 */

/** How often to look whether libfuse has closed the connection: nothing tells. */
const goneIntervalMs = 100

/** Calls of libfuse that wait, on threads of its own, for their answer. */
const waiting = new Map<number, (errno: number, value: unknown) => void>()
let lastId = 0

function send(message: FromHost): void {
  process.send?.(message)
}

function end(message: FromHost): void {
  process.send?.(message, () => process.exit(0))
}

function forward(call: PathCall, answered: (errno: number, value: unknown) => void): void {
  const id = ++lastId
  waiting.set(id, answered)
  send({ type: 'call', id, call })
}

/** An operation whose answer is its errno alone. */
function plain(call: PathCall, signal: Signal): void {
  forward(call, (errno) => {
    signal(-errno)
  })
}

/** One whose answer is also a value. */
function valued(call: PathCall, signal: Signal): void {
  forward(call, (errno, value) => {
    if (errno === 0) signal(0, value)
    else signal(-errno)
  })
}

const operations: Operations = {
  getattr: (path, signal) => {
    valued({ operation: 'getattr', args: [path] }, signal)
  },
  readdir: (path, signal) => {
    forward({ operation: 'readdir', args: [path] }, (errno, value) => {
      if (errno !== 0) {
        signal(-errno)
        return
      }
      const { names, stats } = value as { names: string[]; stats: unknown[] }
      signal(0, names, stats)
    })
  },
  readlink: (path, signal) => {
    valued({ operation: 'readlink', args: [path] }, signal)
  },
  mknod: (path, mode, rdev, signal) => {
    plain({ operation: 'mknod', args: [path, mode, rdev] }, signal)
  },
  mkdir: (path, mode, signal) => {
    plain({ operation: 'mkdir', args: [path, mode] }, signal)
  },
  symlink: (target, path, signal) => {
    plain({ operation: 'symlink', args: [target, path] }, signal)
  },
  link: (oldPath, newPath, signal) => {
    plain({ operation: 'link', args: [oldPath, newPath] }, signal)
  },
  unlink: (path, signal) => {
    plain({ operation: 'unlink', args: [path] }, signal)
  },
  rmdir: (path, signal) => {
    plain({ operation: 'rmdir', args: [path] }, signal)
  },
  rename: (oldPath, newPath, signal) => {
    plain({ operation: 'rename', args: [oldPath, newPath] }, signal)
  },
  chmod: (path, mode, signal) => {
    plain({ operation: 'chmod', args: [path, mode] }, signal)
  },
  chown: (path, uid, gid, signal) => {
    plain({ operation: 'chown', args: [path, uid, gid] }, signal)
  },
  truncate: (path, size, signal) => {
    plain({ operation: 'truncate', args: [path, size] }, signal)
  },
  ftruncate: (path, fd, size, signal) => {
    plain({ operation: 'ftruncate', args: [path, fd, size] }, signal)
  },
  utimens: (path, atimeMs, mtimeMs, signal) => {
    plain({ operation: 'utimens', args: [path, atimeMs, mtimeMs] }, signal)
  },
  open: (path, flags, signal) => {
    valued({ operation: 'open', args: [path, flags] }, signal)
  },
  create: (path, mode, signal) => {
    valued({ operation: 'create', args: [path, mode] }, signal)
  },
  release: (_path, fd, signal) => {
    plain({ operation: 'release', args: [fd] }, signal)
  },
  read: (_path, fd, buffer, length, offset, signal) => {
    forward({ operation: 'read', args: [fd, length, offset] }, (errno, value) => {
      if (errno === 0) buffer.set(value as Uint8Array)
      signal(errno === 0 ? (value as Uint8Array).length : -errno)
    })
  },
  write: (_path, fd, buffer, length, offset, signal) => {
    // The buffer is libfuse's: send copies it, before this call returns.
    const bytes = buffer.subarray(0, length)
    forward({ operation: 'write', args: [fd, bytes, offset] }, (errno, value) => {
      signal(errno === 0 ? (value as number) : -errno)
    })
  },
  fsync: (_path, dataOnly, fd, signal) => {
    plain({ operation: 'fsync', args: [fd, dataOnly !== 0] }, signal)
  },
  fsyncdir: (path, dataOnly, _fd, signal) => {
    plain({ operation: 'fsyncdir', args: [path, dataOnly !== 0] }, signal)
  },
  statfs: (path, signal) => {
    valued({ operation: 'statfs', args: [path] }, signal)
  },
  getxattr: (path, name, signal) => {
    valued({ operation: 'getxattr', args: [path, name] }, signal)
  },
  listxattr: (path, signal) => {
    valued({ operation: 'listxattr', args: [path] }, signal)
  },
  setxattr: (path, name, value, _position, flags, signal) => {
    plain({ operation: 'setxattr', args: [path, name, value, flags] }, signal)
  },
  removexattr: (path, name, signal) => {
    plain({ operation: 'removexattr', args: [path, name] }, signal)
  },
}

function mount(order: MountOrder): void {
  let fuse: FuseNative
  try {
    fuse = loadFuseNative(operations, order)
  } catch (error) {
    end({ type: 'failed', reason: 'not loaded', message: messageOf(error) })
    return
  }
  fuse.mount((error) => {
    if (error) {
      end({ type: 'failed', reason: 'not mounted', message: messageOf(error) })
      return
    }
    watchConnection()
    send({ type: 'mounted' })
  })
}

/** libfuse closes its /dev/fuse when the kernel has ended the connection, and at no other time. */
function watchConnection(): void {
  const connection = readdirSync('/proc/self/fd').find((fd) => isConnection(fd))
  if (connection === undefined) throw new Error('mounted, but /dev/fuse is not open')
  const timer = setInterval(() => {
    if (isConnection(connection)) return
    clearInterval(timer)
    end({ type: 'gone' })
  }, goneIntervalMs)
}

function isConnection(fd: string): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`) === '/dev/fuse'
  } catch {
    return false // closed; or the descriptor that readdir itself had open
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

process.on('message', (message: ToHost) => {
  if (message.type === 'mount') {
    mount(message)
    return
  }
  const answered = waiting.get(message.id)
  if (answered === undefined) throw new Error(`an answer to no call: ${message.id}`)
  waiting.delete(message.id)
  answered(message.errno, message.value)
})

// Whoever answered is gone. Ending closes the connection, so that no call waits for ever.
process.on('disconnect', () => process.exit(1))

// A terminal's Ctrl-C goes to the daemon as well, which unmounts in good order.
process.on('SIGINT', () => undefined)
process.on('SIGTERM', () => undefined)
