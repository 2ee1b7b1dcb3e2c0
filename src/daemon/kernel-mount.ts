import { execFile } from 'node:child_process'
import { accessSync, constants, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fsErrorOf } from '../base/errno.js'
import { Failure } from '../base/failure.js'
import type { Native } from '../base/native.js'
import { O } from '../base/open-flags.js'
import type { MountOrder } from './mount-order.js'
import { fuseType, groupType } from './mount-table.js'
import type { MountEntry } from './mount-table.js'

const MS_RDONLY = 1
const MS_NOSUID = 2
const MS_NODEV = 4
const MNT_FORCE = 1
const MNT_DETACH = 2

const isRoot = process.geteuid?.() === 0

/** What can be known without mounting: whether this user can mount at all. Throws Failures. */
export function checkMountAbility(order: MountOrder): void {
  try {
    accessSync('/dev/fuse', constants.R_OK | constants.W_OK)
  } catch (error) {
    throw fuseDeviceFailure((error as NodeJS.ErrnoException).code)
  }
  if ((order.allowSuid || order.allowDev) && !(isRoot && order.transport === 'native')) {
    const advice = 'leave them out'
    throw new Failure('usage', `--suid and --dev are for root and --transport native: ${advice}`)
  }
  if (isRoot) return
  if (!isInPath('fusermount3')) {
    const advice = 'install the package fuse3, or mount as root'
    throw new Failure('failed', `there is no fusermount3, which ordinary users need: ${advice}`)
  }
  if (order.allowOther && !isAllowOtherPermitted()) {
    const advice = 'have root add the line user_allow_other there, or leave --allow-other out'
    throw new Failure('failed', `/etc/fuse.conf does not permit --allow-other: ${advice}`)
  }
}

/** Root's mounts are for everybody, within what the modes of the files let them do. */
export function allowsOther(order: MountOrder): boolean {
  return isRoot || order.allowOther
}

/** Mounts, and returns the connection to the kernel: root by mount(2), users by fusermount3. */
export function mountKernel(native: Native, order: MountOrder): number {
  return isRoot ? mountAsRoot(native, order) : mountAsUser(native, order)
}

/** The same for the snapshots of a group, read-only. */
export function mountGroupKernel(native: Native, directory: string): number {
  if (isRoot) {
    const flags = MS_RDONLY | MS_NOSUID | MS_NODEV
    return mountByRoot(native, directory, 'bygone', groupType, flags)
  }
  const options = 'ro,nosuid,nodev,default_permissions,subtype=bygone-group,fsname=bygone'
  return mountByUser(native, directory, options)
}

function mountAsRoot(native: Native, order: MountOrder): number {
  const { origin, mountPoint } = order
  const flags = (order.allowSuid ? 0 : MS_NOSUID) | (order.allowDev ? 0 : MS_NODEV)
  return mountByRoot(native, mountPoint, origin, fuseType, flags)
}

function mountByRoot(
  native: Native,
  mountPoint: string,
  source: string,
  type: string,
  flags: number,
): number {
  const fuseFd = native.openFuse()
  if (fuseFd < 0) throw fuseDeviceFailure(fsErrorOf(fuseFd, 'open /dev/fuse').code)
  const options = 'rootmode=40000,user_id=0,group_id=0,default_permissions,allow_other'
  // By a descriptor: what was a directory when it was looked at may be a link by now, to anywhere.
  const place = native.openStraight(mountPoint, O.PATH | O.DIRECTORY)
  const by = `/proc/self/fd/${place}`
  const result = place < 0 ? place : native.mountFuse(fuseFd, by, source, type, flags, options)
  if (place >= 0) native.close(place)
  if (result >= 0) return fuseFd
  native.close(fuseFd)
  const error = fsErrorOf(result, `mount on ${mountPoint}`)
  if (error.code === 'EPERM' || error.code === 'EACCES') {
    throw new Failure('failed', 'no permission to mount: mount(2) needs CAP_SYS_ADMIN', {
      cause: error,
    })
  }
  if (error.code === 'ENODEV') throw fuseDeviceFailure('ENODEV')
  throw new Failure('failed', `the kernel refused to mount: ${error.message}`, { cause: error })
}

function mountAsUser(native: Native, order: MountOrder): number {
  const options = [
    'rw,nosuid,nodev,default_permissions,subtype=bygone',
    `fsname=${order.origin.replace(/[\\,]/g, '\\$&')}`,
    ...(order.allowOther ? ['allow_other'] : []),
  ].join(',')
  return mountByUser(native, order.mountPoint, options)
}

function mountByUser(native: Native, mountPoint: string, options: string): number {
  const result = native.mountByFusermount(mountPoint, options)
  if (result >= 0) return result
  const words = native.fusermountMessage().trim().split('\n').at(-1) ?? ''
  const reason = words === '' ? fsErrorOf(result, 'fusermount3').message : words
  throw new Failure('failed', `could not mount on ${mountPoint}: ${reason}`)
}

/**
 * Takes the mount away, lazily if asked: then at once, while programs may go on using what they have
 * open. Whether nothing uses it any more is seen by the transport's end, not by this.
 */
export async function unmountKernel(
  native: Native,
  mountPoint: string,
  isLazy: boolean,
): Promise<'unmounted' | 'busy' | 'not mounted'> {
  if (!isRoot) return unmountAsUser(mountPoint, isLazy)
  const result = native.umount(mountPoint, isLazy ? MNT_DETACH : 0)
  if (result >= 0) return 'unmounted'
  const error = fsErrorOf(result, `unmount ${mountPoint}`)
  if (error.code === 'EBUSY') return 'busy'
  if (error.code === 'EINVAL' || error.code === 'ENOENT') return 'not mounted'
  throw new Failure('failed', `could not unmount: ${error.message}`, { cause: error })
}

/** Every request that waits for an answer fails, and every one that comes. For where nobody will answer. */
export function abortConnection(native: Native, { device, mountPoint }: MountEntry): void {
  const connection = device.split(':')[1] ?? ''
  try {
    writeFileSync(`/sys/fs/fuse/connections/${connection}/abort`, '1')
  } catch {
    // Not every machine has fusectl mounted. To root this says the same; that the mount stays is no matter.
    if (isRoot) native.umount(mountPoint, MNT_FORCE)
  }
}

function unmountAsUser(
  mountPoint: string,
  isLazy: boolean,
): Promise<'unmounted' | 'busy' | 'not mounted'> {
  const flags = isLazy ? '-uz' : '-u'
  return new Promise((resolve, reject) => {
    const env = { ...process.env, LC_ALL: 'C' }
    execFile('fusermount3', [flags, '--', mountPoint], { env }, (error, _, stderr) => {
      if (error === null) resolve('unmounted')
      else if (stderr.includes('busy')) resolve('busy')
      else if (/not found in|Invalid argument/.test(stderr)) resolve('not mounted')
      else {
        const reason = stderr.trim().split('\n').at(-1) ?? error.message
        reject(new Failure('failed', `could not unmount ${mountPoint}: ${reason}`))
      }
    })
  })
}

function fuseDeviceFailure(code: string | undefined): Failure {
  if (code === 'EACCES' || code === 'EPERM') {
    const advice = 'its mode must be 0666, or mount as root'
    return new Failure('failed', `no permission to open /dev/fuse: ${advice}`)
  }
  if (code === 'ENOENT' || code === 'ENODEV' || code === 'ENXIO') {
    const advice = 'load the module (modprobe fuse), or give the container the device'
    return new Failure('failed', `this machine has no /dev/fuse: ${advice}`)
  }
  return new Failure('failed', `could not open /dev/fuse: ${code ?? 'unknown error'}`)
}

function isInPath(program: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** An unreadable file is left to fusermount3, which reads it as root. */
function isAllowOtherPermitted(): boolean {
  try {
    return /^\s*user_allow_other\s*$/m.test(readFileSync('/etc/fuse.conf', 'utf8'))
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ENOENT'
  }
}
