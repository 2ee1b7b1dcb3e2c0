import type { ByteString } from '../../base/bytes.js'
import { checked } from '../../base/errno.js'
import type { ObjectId } from '../../base/ids.js'
import type { Native } from '../../base/native.js'
import type { NumberSet } from '../../base/number-set.js'
import { O } from '../../base/open-flags.js'
import type { OnFinding, OnProgress } from '../../store/check/finding.js'
import type { ReadablePlaces } from '../../store/check/readable-places.js'
import { countUnreachable } from '../../store/check/element-census.js'
import type { ElementIndex } from '../../store/element-index.js'
import type { Gap } from '../../store/sessions.js'
import type { SnapshotRecord } from '../../store/snapshot-record.js'
import type { VolumeElements } from '../../store/volume-elements.js'
import { DescriptorBudget } from '../descriptor-budget.js'
import { bygoneDirectory } from '../hidden-names.js'
import { Origin } from '../origin.js'
import type { OnProblem } from './file-problem.js'
import { RetiredCheck } from './retired-check.js'
import { VolumeCheck } from './volume-check.js'

export interface TreeCheckOptions {
  readonly native: Native
  /** O_PATH; taken over. */
  readonly originFd: number
  readonly elements: VolumeElements
  readonly index: ElementIndex
  readonly places: ReadablePlaces
  readonly gaps: readonly Gap[]
  /** Oldest first. */
  readonly snapshots: readonly SnapshotRecord[]
  readonly chunkBytes: number
  /** Objects of which `isSeen` is to tell. */
  readonly watched: NumberSet
  readonly onFinding: OnFinding
  readonly onProblem: OnProblem
  readonly onProgress: OnProgress
}

export interface TreeCounts {
  files: number
  retiredFiles: number
  retiredUnneeded: number
  unreachableElements: number
}

export interface TreeOutcome {
  counts: TreeCounts
  /** Whether a snapshot with a label above `after`, up to `upTo`, sees a watched object. */
  isSeen: (object: ObjectId, after: number, upTo: number) => boolean
}

/**
 * Holds what the store says of a tree against the origin and its retired files, and names what snapshots
 * have lost. Changes nothing.
 */
export function checkTree(options: TreeCheckOptions): TreeOutcome {
  const { native, originFd, elements, index, onFinding } = options
  const origin = openOrigin(native, originFd)
  try {
    const retired = new RetiredCheck(origin, elements, onFinding)
    const objects = retired.run()
    const walk = new VolumeCheck({ ...options, origin })
    walk.run()
    const isReached = walk.isReached.bind(walk)
    const unreachableElements = countUnreachable(index, isReached)
    const counts = {
      files: walk.objectCount,
      retiredFiles: retired.count,
      retiredUnneeded: objects.filter((object) => !isReached(object)).length,
      unreachableElements,
    }
    return { counts, isSeen: walk.isSeen.bind(walk) }
  } finally {
    origin.close()
  }
}

/** As it is, to look at. `originFd` is taken over. */
export function openOrigin(native: Native, originFd: number): Origin {
  const flags = O.PATH | O.DIRECTORY | O.NOFOLLOW
  const own = checked(native.openAt(originFd, bygoneDirectory, flags, 0), '.bygone')
  const retired = native.openAt(own, 'retired' as ByteString, flags, 0)
  native.close(own)
  const retiredFd = checked(retired, '.bygone/retired')
  return new Origin(native, originFd, retiredFd, new DescriptorBudget(native).directoriesMax)
}
