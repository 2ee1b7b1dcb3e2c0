import { StatField } from '../base/attributes.js'
import { checked, fsErrorOf, isErrno } from '../base/errno.js'
import type { Instant } from '../base/instant.js'
import { instantOfMs } from '../base/instant.js'
import { UTIME_NOW } from '../base/open-flags.js'
import type { Origin } from './origin.js'

/** Now, by the clock of the origin's file system, which need not be this machine's. Touches the retired directory. */
export function originNow(origin: Origin): Instant {
  const { native, retired, stat } = origin
  const touched = native.utimensPath(retired.heldFd, 0, UTIME_NOW, 0, UTIME_NOW)
  // Nobody changes it then, so any clock will do.
  if (touched < 0 && isErrno(fsErrorOf(touched, 'utimens'), 'EROFS')) return instantOfMs(Date.now())
  checked(touched, 'utimens')
  origin.statNode(retired)
  return { sec: stat[StatField.ctimeSec] ?? 0, nsec: stat[StatField.ctimeNsec] ?? 0 }
}

/** Before anything was preserved: bygone's own directory is made at first use. The beginning of time where nothing tells. */
export function originBorn(origin: Origin): Instant {
  const { retired, stat } = origin
  origin.statNode(retired)
  const sec = stat[StatField.btimeSec] ?? Number.NaN
  return Number.isNaN(sec) ? { sec: 0, nsec: 0 } : { sec, nsec: stat[StatField.btimeNsec] ?? 0 }
}
