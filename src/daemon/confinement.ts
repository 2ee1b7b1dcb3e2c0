import { checked } from '../base/errno.js'
import type { Native } from '../base/native.js'

/** What root's daemon needs (capabilities(7)), and what for. */
const needed: Record<string, number> = {
  chown: 0, // new files belong to who makes them
  dacOverride: 1, // every user's files
  dacReadSearch: 2, // files by their numbers
  fowner: 3, // modes and times of every user's files
  fsetid: 4, // set-group-ID stays on files of other groups
  setgid: 6, // acting as the caller
  setuid: 7,
  setpcap: 8, // keeping the rest while acting as the caller
  linuxImmutable: 9, // flags of files
  sysPtrace: 19, // who keeps a mount busy, or has files of the origin open
  sysAdmin: 21, // mounting; trusted.* xattrs
  sysResource: 24, // quotas and reserved blocks do not stop what is preserved
  mknod: 27,
  setfcap: 31, // file capabilities, as one more attribute
}

/**
 * The daemon that this process is about to start gets by with these: no modules, no raw devices, no network, no
 * clock, and nothing gained by what it might be made to execute. An ordinary user's has no capabilities,
 * and needs fusermount3, which gains some.
 */
export function confineDaemon(native: Native): void {
  if (process.geteuid?.() !== 0) return
  const bits = Object.values(needed).reduce((sum, bit) => sum + 2 ** bit, 0)
  checked(native.confineChildren(bits), 'give up capabilities')
}
