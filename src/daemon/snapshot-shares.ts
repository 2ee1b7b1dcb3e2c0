import type { Label } from '../base/ids.js'
import { SpaceUse, type SpaceEntry } from '../store/space-use.js'

/** What a pass over all that is kept has found. */
export interface Survey {
  /** The snapshots that there were, oldest first: what the indices in `bytes` stand for. */
  labels: readonly Label[]
  /** So many of them when it began. */
  countAtStart: number
  bytes: SpaceUse
}

/** Of the end of a pass. */
export function surveyOf(
  use: (Omit<Survey, 'bytes'> & { entries: readonly SpaceEntry[] }) | undefined,
): Survey | undefined {
  return use && { ...use, bytes: SpaceUse.of(use.entries) }
}

/** null: not known. */
export interface Share {
  uniqueBytes: number | null
  changedBytes: number | null
  changedElements: number | null
}

export const unknownShare: Share = { uniqueBytes: null, changedBytes: null, changedElements: null }

/**
 * The shares of the snapshots that there are now, oldest first, as a survey that may be older can tell them.
 *
 * What is kept is kept for the newest snapshot of its time: nothing is added to the share of one below another
 * that has been there since before the survey. Of what was deleted since then others have a part, which the
 * survey tells too. Nobody knows how the oldest differs from one before it.
 */
export function sharesOf(
  labels: readonly Label[],
  survey: Survey | undefined,
  isCurrent: boolean,
): Share[] {
  if (survey === undefined) return labels.map(() => unknownShare)
  const { labels: all, countAtStart, bytes } = survey
  const there = new Set(labels)
  const shares = bytes.shares((index) => there.has(all[index] ?? (0 as Label)), all.length)
  const indices = new Map(all.map((label, index) => [label, index]))
  const settled = isCurrent
    ? Infinity
    : (all.slice(0, countAtStart).findLast((label) => there.has(label)) ?? 0)
  const firstAfter = labels.find((label) => !indices.has(label))
  return labels.map((label, at) => {
    if (label > settled) return unknownShare
    // Of what came after the survey the first has all that the live files had changed by then; nothing has changed since.
    const index = indices.get(label) ?? (label === firstAfter ? all.length : undefined)
    const share = index === undefined ? undefined : shares[index]
    return {
      uniqueBytes: label === settled ? null : (share?.uniqueBytes ?? 0),
      changedBytes: at === 0 ? null : (share?.changedBytes ?? 0),
      changedElements: at === 0 ? null : (share?.changedElements ?? 0),
    }
  })
}
