import { execFile, fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createRequire } from 'node:module'
import { existsSync } from 'node:fs'
import { dirname, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { FsError } from '../base/errno.js'
import { Failure } from '../base/failure.js'
import { RequestParked } from './file-system.js'
import type { FileSystem } from './file-system.js'
import type { FromHost, PathCall, ToHost } from './fuse-native-messages.js'
import { PathFileSystem } from './path-file-system.js'
import type { PathOperation } from './path-operations.js'

/**
 * The second transport: the fuse-native package (libfuse 2, calls by path) in a process of its own, see
 * fuse-native-host.ts. Runs on any thread that has an event loop.
 *
 * What it can't do:
 * - tell who calls: new files belong to the daemon's user, the umask is applied by the kernel and default
 *   ACLs are not; ACLs are not enforced;
 * - rename with flags (EINVAL), fallocate, O_TMPFILE and copies in the kernel (programs copy by themselves);
 *   SEEK_DATA and SEEK_HOLE see no holes;
 * - names and symlink targets that are not UTF-8: listed with U+FFFD in their place, any use is EINVAL;
 * - times beyond the millisecond or before 1970; a change of only one of the two times is lost without a
 *   word (touch -a, touch -m);
 * - inode numbers beyond 31 bits: made up, the same only while they are remembered; link counts of 0;
 * - times to live for each name, invalidation, cached listings: the kernel asks for a name again after a
 *   second, and for attributes each time;
 * - shared mappings in a snapshot: what a program has not synced by then may come too late for it;
 * - renaming over an open file as one step: the old file goes first;
 * - mounting over an origin that is a mount point itself;
 * - names of extended attributes that are not UTF-8; more than 2^32 files in statfs.
 */

export const fuseNativeLimits: readonly string[] = [
  'caller ids',
  'ACLs',
  'rename flags',
  'fallocate',
  'O_TMPFILE',
  'SEEK_HOLE',
  'names that are not UTF-8',
  'nanoseconds',
  'changing one time alone',
  'inode numbers beyond 31 bits',
  'per-entry TTL',
  'shared mappings in a snapshot',
  'invalidation',
]

export interface FuseNativeOptions {
  fileSystem: FileSystem
  mountPoint: string
  log: (line: string) => void
  /** The mount's source, as the mount table shows it. */
  source: string
  allowOther: boolean
}

export interface FuseNativeMount {
  /** Resolves when the mount is gone and the file system destroyed. Never rejects. */
  readonly unmounted: Promise<void>
  /** Failure while it is busy. */
  unmount(): Promise<void>
  /** Puts parked requests again: what they wait for may have come. */
  retryParked(): void
}

const ioError = new FsError('EIO', 'failure in a handler').errno

/** Its C code copies the mount point into this, with a NUL. */
const mountPointBytesMax = 1023

const mountOptions = [
  'subtype=bygone',
  // libfuse 2 refuses a directory that is not empty, such as the origin, without it.
  'nonempty',
  'default_permissions',
  'use_ino',
  'big_writes',
  'max_write=131072',
  'entry_timeout=1',
  // libfuse 2 knows hard links as different files: what one name changes would not show at the other.
  'attr_timeout=0',
  'negative_timeout=0',
]

/** Mounts, and answers for `fileSystem` until the mount is gone. A failure to mount leaves it untouched. */
export async function mountFuseNative(options: FuseNativeOptions): Promise<FuseNativeMount> {
  const { mountPoint } = options
  if (Buffer.byteLength(mountPoint) > mountPointBytesMax) {
    throw new Failure(
      'failed',
      `fuse-native takes no mount point of more than ${mountPointBytesMax} bytes: ` +
        'choose a shorter one, or --transport native',
    )
  }
  const packaged = packagedLibrary()
  try {
    return await new Host(options, {}).mounted()
  } catch (error) {
    // Debian's libfuse2 is not installed: the package brings a copy, but does not find it.
    const lacksLibrary = error instanceof HostError && error.message.includes('libfuse.so')
    if (!lacksLibrary || packaged === undefined) throw failureOf(error, mountPoint)
  }
  try {
    return await new Host(options, { LD_PRELOAD: packaged }).mounted()
  } catch (error) {
    throw failureOf(error, mountPoint)
  }
}

class HostError extends Error {
  readonly reason: 'not loaded' | 'not mounted'

  constructor(reason: 'not loaded' | 'not mounted', message: string) {
    super(message)
    this.reason = reason
  }
}

class Host implements FuseNativeMount {
  readonly unmounted: Promise<void>
  readonly #options: FuseNativeOptions
  readonly #paths: PathFileSystem
  readonly #process: ChildProcess
  readonly #parked: { id: number; call: PathCall }[] = []
  #stderr = ''
  #isMounted = false
  #resolveUnmounted!: () => void
  #settleMount: { resolve: () => void; reject: (error: Error) => void } | undefined

  constructor(options: FuseNativeOptions, environment: NodeJS.ProcessEnv) {
    this.#options = options
    this.unmounted = new Promise((resolve) => {
      this.#resolveUnmounted = resolve
    })
    const uid = process.getuid?.() ?? 0
    const caller = { uid, gid: process.getgid?.() ?? 0, pid: process.pid, umask: 0 }
    this.#paths = new PathFileSystem(options.fileSystem, caller)
    this.#process = fork(hostProgram(), {
      cwd: '/',
      env: { ...process.env, ...environment },
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#heard(text)
    })
    this.#process.on('message', (message: FromHost) => {
      this.#received(message)
    })
    this.#process.on('close', () => {
      this.#ended()
    })
  }

  async mounted(): Promise<FuseNativeMount> {
    const settled = new Promise<void>((resolve, reject) => {
      this.#settleMount = { resolve, reject }
    })
    const { mountPoint, source, allowOther } = this.#options
    const options = allowOther ? [...mountOptions, 'allow_other'] : mountOptions
    this.#send({ type: 'mount', mountPoint, source, options })
    await settled
    return this
  }

  async unmount(): Promise<void> {
    // By another process: umount(2) waits for answers that this thread has to give.
    await fusermount(['-u', '--', this.#options.mountPoint])
    await this.unmounted
  }

  retryParked(): void {
    for (const { id, call } of this.#parked.splice(0)) this.#answer(id, call)
  }

  #send(message: ToHost): void {
    if (this.#process.connected) this.#process.send(message)
  }

  #received(message: FromHost): void {
    switch (message.type) {
      case 'mounted':
        this.#isMounted = true
        this.#settleMount?.resolve()
        break
      case 'failed': {
        const text = [message.message, this.#stderr.trim()].filter((part) => part !== '').join(': ')
        this.#settleMount?.reject(new HostError(message.reason, text))
        break
      }
      case 'call':
        this.#answer(message.id, message.call)
        break
      case 'gone':
        break
    }
  }

  #answer(id: number, call: PathCall): void {
    // Which arguments belong to which operation, PathCall has made sure of.
    const paths = this.#paths as Record<PathOperation, (...args: unknown[]) => unknown>
    try {
      const value = paths[call.operation](...call.args)
      this.#send({ type: 'answer', id, errno: 0, value })
    } catch (error) {
      if (error instanceof RequestParked) this.#parked.push({ id, call })
      else this.#send({ type: 'answer', id, errno: this.#errnoOf(call, error), value: undefined })
    }
  }

  #errnoOf(call: PathCall, error: unknown): number {
    if (error instanceof FsError) return error.errno
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    const line = text.replaceAll(/\s*\n\s*/g, ' | ')
    this.#options.log(`${call.operation} through fuse-native failed: ${line}`)
    return ioError
  }

  /** libfuse's own words go to its stderr. */
  #heard(text: string): void {
    this.#stderr = (this.#stderr + text).slice(-2000)
    if (!this.#isMounted) return
    for (const line of text.split('\n').filter((each) => each.trim() !== '')) {
      this.#options.log(`fuse-native: ${line}`)
    }
  }

  #ended(): void {
    if (!this.#isMounted) {
      const text = this.#stderr.trim() || 'its process ended'
      this.#settleMount?.reject(new HostError('not mounted', text))
      return
    }
    this.#paths.close()
    this.#options.fileSystem.destroy()
    this.#resolveUnmounted()
  }
}

/** This file is compiled or not; so is that one. */
function hostProgram(): string {
  const url = new URL(`./fuse-native-host${extname(import.meta.url)}`, import.meta.url)
  return fileURLToPath(url)
}

/** The libfuse.so.2 that comes inside the package. */
function packagedLibrary(): string | undefined {
  const require = createRequire(import.meta.url)
  try {
    const directory = dirname(require.resolve('fuse-native/package.json'))
    const path = join(directory, 'prebuilds', `linux-${process.arch}`, 'libfuse.so')
    return existsSync(path) ? path : undefined
  } catch {
    return undefined
  }
}

async function fusermount(args: string[]): Promise<void> {
  try {
    await promisify(execFile)('fusermount3', args)
  } catch (error) {
    const { code, stderr } = error as { code?: unknown; stderr?: string }
    if (code === 'ENOENT') {
      throw new Failure('failed', 'fusermount3 is missing: install the package fuse3')
    }
    throw new Failure('failed', stderr?.trim() ?? String(error), { cause: error })
  }
}

function failureOf(error: unknown, mountPoint: string): unknown {
  if (!(error instanceof HostError)) return error
  // Node's words for a module that is missing go on with who asked for it.
  const [reason = ''] = error.message.split('\n')
  if (error.reason === 'not loaded') {
    return new Failure(
      'failed',
      `fuse-native can't be loaded: ${reason}: run npm ci, install libfuse2, or use --transport native`,
    )
  }
  return new Failure('failed', `can't mount on ${mountPoint} through fuse-native: ${reason}`)
}
