import { findRevision, findRevisions } from '../version/revision-resolver.js'
import type { SnapshotSummary } from './control-protocol.js'

/*
 * A REV is resolved by the client, which sends names: what a user has meant does not change on its way, and
 * the time zone is his.
 */

/** Those that any of `texts` stands for, each once, in the order in which they are named. */
export function chooseSnapshots(
  texts: readonly string[],
  history: readonly SnapshotSummary[],
  now: Date,
): SnapshotSummary[] {
  return [...new Set(texts.flatMap((text) => findRevisions(text, history, now)))]
}

export function chooseSnapshot(
  text: string,
  history: readonly SnapshotSummary[],
  now: Date,
): SnapshotSummary {
  return findRevision(text, history, now)
}
