import type { Instant } from '../../base/instant.js'
import type { Label } from '../../base/ids.js'
import type { LostStretch } from './lost-stretches.js'

/** A time in which records were written that are lost: of what was changed then nobody knows what it was before. */
export interface LostTime {
  readonly start: Instant
  readonly end: Instant
  /** Of the newest snapshot at the start and at the end: the lost records can bear these labels and those between. */
  readonly labelFirst: Label
  readonly labelLast: Label
}

/** A file system's clock stands still for up to a tick of the kernel. */
const tickNsec = 20_000_000

/**
 * When the lost records were written, at the most; by the clock of the origin. `isChainWhole`: no snapshot was
 * ever deleted. `oldest` and `newest` are labels of snapshots, `sessionEnd` is when the last session ended, `now` the latest that there can be.
 */
export function lostTimes(
  lost: readonly LostStretch[],
  isChainWhole: boolean,
  oldest: Label | 0,
  newest: Label | 0,
  sessionEnd: Instant | undefined,
  now: Instant,
): LostTime[] {
  if (newest === 0) return []
  return lost.map(({ after, labelBefore, labelAfter }) => {
    const labelLast = Math.min(labelAfter ?? newest, newest) as Label
    // Where the newest snapshots were deleted older labels came again.
    const labelLeast = isChainWhole ? Math.max(labelBefore, oldest) : oldest
    const labelFirst = Math.min(labelLeast, labelLast) as Label
    const start = after === undefined ? { sec: 0, nsec: 0 } : aTickBefore(after)
    // While that snapshot was the newest, what had been preserved once was changed without a record. The next one is
    // older than the end of the session in which it was the newest at last.
    const end = newest > labelLast && sessionEnd !== undefined ? sessionEnd : now
    return { start, end, labelFirst, labelLast }
  })
}

function aTickBefore({ sec, nsec }: Instant): Instant {
  return nsec >= tickNsec
    ? { sec, nsec: nsec - tickNsec }
    : { sec: sec - 1, nsec: nsec + 1e9 - tickNsec }
}
