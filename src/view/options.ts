import type { ChangeCount } from './change-count.js'
import type { FlushMarker } from './flush-marker.js'
import type { SessionLog } from './session-log.js'

/** How a volume is shown. */
export interface ViewOptions {
  /** The mount hides the origin, so nobody else can change it: the kernel may trust what it was told for ever. */
  readonly isMountedOver: boolean
  /**
   * mkdir .snapshots/TAG: a snapshot with that tag was taken if it returns. Throws FsError, and RequestParked until it
   * is known.
   */
  readonly takeSnapshot: (tag: string) => void
  /** rmdir .snapshots/NAME: the snapshot (its `@GMT-…` name) is deleted if it returns; as above. */
  readonly deleteSnapshot: (name: string) => void
  /** Learns who opens the root, if the transport tells who calls. */
  readonly flushMarker?: FlushMarker
  /** Is told of each change of the live tree. */
  readonly changes?: ChangeCount
  /** Keeps on record what a successor of this process needs. */
  readonly log?: SessionLog
  /** After a takeover: a request comes that comes for the first time, so all others have come again. */
  readonly onResent?: () => void
}

/** For ever: below a snapshot nothing changes, and what bygone itself changes it tells the kernel. */
export const ttlForeverMs = Infinity

/** Where the origin can be changed beside the mount. */
export const ttlSharedMs = 1000
