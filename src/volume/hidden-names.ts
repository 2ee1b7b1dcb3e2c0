import type { ByteString } from '../base/bytes.js'

/** The origin's own directory of bygone, in its root. */
export const bygoneDirectory = '.bygone' as ByteString
export const snapshotsDirectory = '.snapshots' as ByteString
export const latestName = '@latest' as ByteString
export const snapshotPrefix = '@GMT-'

/** Names in the origin's root that the mount does not show: bygone's own, and those where it shows snapshots. */
export class HiddenNames {
  has(name: ByteString): boolean {
    return name === bygoneDirectory || this.isTaken(name)
  }

  /** Names that stand for snapshots in a mount's root. */
  isTaken(name: ByteString): boolean {
    return name === snapshotsDirectory || name === latestName || name.startsWith(snapshotPrefix)
  }
}
