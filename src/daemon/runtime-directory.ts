import { lstatSync, mkdirSync, readdirSync, readlinkSync, rmSync, symlinkSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { Failure } from '../base/failure.js'

/** What is asked of the system, so that tests can ask of something else. */
export interface RuntimeOwner {
  uid: number
  /** $XDG_RUNTIME_DIR, if it is this user's environment that we see. */
  xdgRuntimeDirectory: string | undefined
}

/** sun_path holds 108 bytes with the final NUL; the longest name of ours takes this many. */
const directoryBytesMax = 107 - '/0123456789abcdef-0123456789abcdef.sock'.length

/**
 * Where the sockets of a user's daemons may be, best first: which of them one daemon chose depends
 * on the environment it was started in, so who looks for it tries all.
 */
export function runtimeDirectories(owner: RuntimeOwner): string[] {
  if (owner.uid === 0) return ['/run/bygone']
  const candidates = [`/run/user/${owner.uid}/bygone`, `/tmp/bygone-${owner.uid}`]
  if (owner.xdgRuntimeDirectory?.startsWith('/') === true) {
    candidates.unshift(join(owner.xdgRuntimeDirectory, 'bygone'))
  }
  return [...new Set(candidates)].filter((each) => Buffer.byteLength(each) <= directoryBytesMax)
}

export function ownRuntimeDirectories(): string[] {
  return runtimeDirectories(currentOwner())
}

export function currentOwner(): RuntimeOwner {
  return {
    uid: process.geteuid?.() ?? 0,
    xdgRuntimeDirectory: process.env['XDG_RUNTIME_DIR'],
  }
}

/**
 * Whether a directory is that user's alone. In /tmp anybody may have made it first: a socket in such
 * a directory could be anyone's.
 */
export function isPrivateDirectory(directory: string, uid: number): boolean {
  const stat = lstatSync(directory, { throwIfNoEntry: false })
  return stat?.isDirectory() === true && stat.uid === uid && (stat.mode & 0o077) === 0
}

/** Makes the directory for this user's sockets where that is possible, and returns it. */
export function makeRuntimeDirectory(): string {
  const owner = currentOwner()
  const directories = runtimeDirectories(owner)
  for (const directory of directories) {
    try {
      mkdirSync(directory, { mode: 0o700 })
    } catch {
      // It is there already, or its parent is missing or not ours: the check below decides.
    }
    if (isPrivateDirectory(directory, owner.uid)) return directory
  }
  throw new Failure(
    'failed',
    `no directory for the control socket: ${directories.join(' or ')} must be a directory of yours with mode 0700`,
  )
}

/** Names the daemon of a store: the store directory's identity, short enough for a socket's path. */
export function storeKey(store: { dev: bigint; ino: bigint }): string {
  return `${store.dev.toString(16)}-${store.ino.toString(16)}`
}

export function storeSocket(directory: string, key: string): string {
  return join(directory, `${key}.sock`)
}

/** A symbolic link to the socket of the daemon that serves the mount with this `major:minor`. */
export function mountSocket(directory: string, device: string): string {
  return join(directory, `${device}.sock`)
}

export function linkMountSocket(directory: string, device: string, key: string): void {
  const link = mountSocket(directory, device)
  rmSync(link, { force: true })
  symlinkSync(`${key}.sock`, link)
}

/** Leaves the link alone if it leads to another daemon: device numbers are used again. */
export function unlinkMountSocket(directory: string, device: string, key: string): void {
  const link = mountSocket(directory, device)
  try {
    if (readlinkSync(link) === `${key}.sock`) rmSync(link, { force: true })
  } catch {
    // It is gone already.
  }
}

/** A socket younger than this may be of a daemon that is about to listen. */
const staleAgeMs = 10_000

/** Removes the sockets and links that daemons left behind which could not clean up (SIGKILL). */
export async function removeStaleSockets(directory: string, nowMs: number): Promise<void> {
  for (const name of readdirSync(directory)) {
    if (!name.endsWith('.sock')) continue
    const path = join(directory, name)
    const stat = lstatSync(path, { throwIfNoEntry: false })
    if (stat === undefined || nowMs - stat.mtimeMs < staleAgeMs) continue
    if (await isListening(path)) continue
    // Not if a successor of its daemon has made it anew.
    if (lstatSync(path, { throwIfNoEntry: false })?.ino === stat.ino) rmSync(path, { force: true })
  }
}

export function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', (error: NodeJS.ErrnoException) => {
      // Anything else (no permission, too many connections) does not say that nobody listens.
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT')
    })
  })
}
