import { createRequire } from 'node:module'
import type { MountOrder } from './fuse-native-messages.js'

/*
 * The fuse-native package, version 2.2.6, typed as far as it is used and mended where it is wrong:
 *
 * - getxattr and listxattr report success, with bytes from behind the buffer, when the value does not fit;
 * - utimens passes the time of access as both times. The right one lies in the memory that it gives its
 *   handlers as their first argument.
 */

/** Answers a call: result or negative errno, and what the operation gives back. */
export type Signal = (result: number, ...values: unknown[]) => void

export interface Operations {
  getattr(path: string, signal: Signal): void
  readdir(path: string, signal: Signal): void
  readlink(path: string, signal: Signal): void
  mknod(path: string, mode: number, rdev: number, signal: Signal): void
  mkdir(path: string, mode: number, signal: Signal): void
  symlink(target: string, path: string, signal: Signal): void
  link(oldPath: string, newPath: string, signal: Signal): void
  unlink(path: string, signal: Signal): void
  rmdir(path: string, signal: Signal): void
  rename(oldPath: string, newPath: string, signal: Signal): void
  chmod(path: string, mode: number, signal: Signal): void
  chown(path: string, uid: number, gid: number, signal: Signal): void
  truncate(path: string, size: number, signal: Signal): void
  ftruncate(path: string, fd: number, size: number, signal: Signal): void
  utimens(path: string, atimeMs: number, mtimeMs: number, signal: Signal): void
  open(path: string, flags: number, signal: Signal): void
  create(path: string, mode: number, signal: Signal): void
  release(path: string, fd: number, signal: Signal): void
  read(
    path: string,
    fd: number,
    buffer: Buffer,
    length: number,
    offset: number,
    signal: Signal,
  ): void
  write(
    path: string,
    fd: number,
    buffer: Buffer,
    length: number,
    offset: number,
    signal: Signal,
  ): void
  fsync(path: string, dataOnly: number, fd: number, signal: Signal): void
  fsyncdir(path: string, dataOnly: number, fd: number, signal: Signal): void
  statfs(path: string, signal: Signal): void
  /** These two answer the value whole; whether it fits is seen here. */
  getxattr(path: string, name: string, signal: Signal): void
  listxattr(path: string, signal: Signal): void
  setxattr(
    path: string,
    name: string,
    value: Buffer,
    position: number,
    flags: number,
    signal: Signal,
  ): void
  removexattr(path: string, name: string, signal: Signal): void
}

export interface FuseNative {
  mount(mounted: (error: Error | null) => void): void
}

type Handler = (memory: Buffer, operation: number, ...args: unknown[]) => void

interface FuseNativeInternals extends FuseNative {
  readonly ops: Operations
  readonly _handlers: Handler[]
}

type FuseNativeClass = new (
  mountPoint: string,
  operations: Operations,
  options: { timeout: false },
) => FuseNativeInternals

/** fuse_native_signal_… by number, and where fuse_thread_locals_t has its times, on a 64-bit machine. */
const utimensOperation = 12
const threadLocals = { bytes: 360, atimeMs: 104, mtimeMs: 112 }

const ERANGE = 34
const EIO = 5

/** Throws if the package or libfuse can't be loaded. */
export function loadFuseNative(operations: Operations, order: MountOrder): FuseNative {
  const require = createRequire(import.meta.url)
  const Base = require('fuse-native') as FuseNativeClass
  let mtimeMs: number | undefined

  // Its methods are called by fuse-native under these names.
  class Mended extends Base {
    _fuseOptions(): string {
      const source = order.source.replaceAll(/[\\,]/g, '\\$&')
      return `-o${[...order.options, `fsname=${source}`].join(',')}`
    }

    _op_getxattr(signal: Signal, path: string, name: string, buffer: Buffer): void {
      operations.getxattr(path, name, answerInto(buffer, signal))
    }

    _op_listxattr(signal: Signal, path: string, buffer: Buffer): void {
      operations.listxattr(path, answerInto(buffer, signal))
    }
  }

  const mended = new Mended(
    order.mountPoint,
    {
      ...operations,
      utimens: (path, atimeMs, _wrong, signal) => {
        if (mtimeMs === undefined) signal(-EIO)
        else operations.utimens(path, atimeMs, mtimeMs, signal)
      },
    },
    { timeout: false },
  )
  const original = mended._handlers[utimensOperation]
  if (original === undefined) throw new Error('this is not fuse-native 2.2.6')
  mended._handlers[utimensOperation] = (memory, operation, ...args) => {
    mtimeMs = mtimeOf(memory, args)
    original(memory, operation, ...args)
  }
  return mended
}

/** Only if the memory is laid out as known: the time of access, which is also an argument, proves it. */
function mtimeOf(memory: Buffer, [, atimeLow, atimeHigh]: unknown[]): number | undefined {
  if (memory.length !== threadLocals.bytes) return undefined
  const isKnown =
    memory.readUInt32LE(threadLocals.atimeMs) === atimeLow &&
    memory.readUInt32LE(threadLocals.atimeMs + 4) === atimeHigh
  return isKnown ? Number(memory.readBigInt64LE(threadLocals.mtimeMs)) : undefined
}

function answerInto(buffer: Buffer, signal: Signal): Signal {
  return (result, value) => {
    const bytes = value as Uint8Array
    if (result < 0) signal(result, buffer.buffer)
    else if (buffer.length === 0) signal(bytes.length, buffer.buffer)
    else if (bytes.length > buffer.length) signal(-ERANGE, buffer.buffer)
    else {
      buffer.set(bytes)
      signal(bytes.length, buffer.buffer)
    }
  }
}
