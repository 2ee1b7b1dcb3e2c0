import { checked } from '../base/errno.js'
import type { Native } from '../base/native.js'

/** The process that asked for a change. */
export interface Identity {
  readonly uid: number
  readonly gid: number
}

/**
 * Makes one change of the origin as the caller does: what grows by it counts against his quota, and he
 * gets none of the blocks reserved for root. What bygone keeps for itself must not be in it.
 */
export function actingAs<T>(native: Native, caller: Identity, change: () => T): T {
  // Root's daemon is root already.
  if (caller.uid === 0) return change()
  checked(native.actAs(caller.uid, caller.gid), 'act as the caller')
  try {
    return change()
  } finally {
    native.actAsSelf()
  }
}
