import { basename, join } from 'node:path'
import type { Instant } from '../../base/instant.js'
import { Failure } from '../../base/failure.js'
import type { Label, ObjectId } from '../../base/ids.js'
import { NumberSet } from '../../base/number-set.js'
import type { Disk } from '../disk.js'
import type { ElementIndex } from '../element-index.js'
import { ElementLookup } from '../element-lookup.js'
import {
  dataName,
  isIndexTrusted,
  readIndexState,
  stateName,
  type IndexState,
} from '../index-state.js'
import type { JournalPosition } from '../journal.js'
import { hasLabels, objectOfKey, Table } from '../element-keys.js'
import { checksumBytes, readChunkValue } from '../element-values.js'
import { LiveLabels } from '../live-labels.js'
import { valueStartOfPut } from '../puts.js'
import { PendingPuts } from '../pending-puts.js'
import { knowledgeOf } from '../recovery.js'
import { segmentHeaderBytes, segmentName } from '../segment.js'
import { Sessions, type Gap } from '../sessions.js'
import { VolumeElements } from '../volume-elements.js'
import type { OnFinding, OnProgress, StoreFinding } from './finding.js'
import {
  addAll,
  checkpointOf,
  compareIndex,
  everyPut,
  keyOfPut,
  type IndexComparison,
} from './index-comparison.js'
import { ForgottenObjects } from './forgotten-objects.js'
import { NeededElements } from '../needed-elements.js'
import type { LostStretch } from './lost-stretches.js'
import { lostTimes, type LostTime } from './lost-times.js'
import { JournalSurvey, type JournalSummary } from './journal-survey.js'
import { PutBatch } from './put-batch.js'
import { ReadablePlaces } from './readable-places.js'

export interface StoreCheckOptions {
  readonly disk: Disk
  /** STORE/volumes/<id>. */
  readonly directory: string
  /** An empty directory to build an index in. */
  readonly scratchDirectory: string
  readonly bootId: string
  readonly withData: boolean
  readonly snapshots: readonly { readonly label: Label }[]
  /** The newest label that the catalog has ever given; undefined: there is no catalog. */
  readonly labelLast: Label | 0 | undefined
  readonly onFinding: OnFinding
  readonly onProgress: OnProgress
}

/** How much of what the journal has lost the index still knows. */
export type IndexKnowledge = 'all' | 'some' | 'nothing'

export type IsSeen = (object: ObjectId, after: number, upTo: number) => boolean

/** The latest there can be: a gap that lasts has not ended yet. */
const forEver: Instant = { sec: Number.MAX_SAFE_INTEGER, nsec: 0 }

/**
 * Looks over one volume's part of a store and changes nothing. Afterwards `elements` has all that could be
 * read, from an index of its own. The caller holds the volume's lock, and closes.
 */
export class StoreCheck {
  readonly places: ReadablePlaces
  readonly index: ElementIndex
  readonly elements: VolumeElements
  readonly journal: JournalSummary
  /** Puts that the index has and the journal has lost. */
  readonly kept: ElementIndex
  readonly indexKnowledge: IndexKnowledge
  /** Of `journal.lost`, that of which nobody knows what it said. */
  unknown: readonly LostStretch[] = []
  /** Undefined: nobody knows when the volume was mounted. */
  readonly gaps: readonly Gap[] | undefined
  readonly sessionEnd: Instant | undefined
  /** The index is not what the journal says: it must be built anew. */
  isIndexWrong = false
  /** Of elements that are not right, if a snapshot sees their object: see judgeSuspects. */
  readonly suspects = new NumberSet()

  readonly #options: StoreCheckOptions
  readonly #shownAs: string
  readonly #sessions: Sessions | undefined
  readonly #needed: NeededElements
  readonly #forgottenIndex: ElementIndex
  readonly #forgotten: ForgottenObjects
  /** Chunk elements whose bytes in the journal are not right. */
  readonly #badChunks: ElementIndex
  /** What the index lacks. */
  readonly #lacking: ElementIndex
  readonly #indexDirectory: string
  #comparison: IndexComparison | undefined
  readonly #state: IndexState | undefined
  readonly #isTrusted: boolean

  constructor(options: StoreCheckOptions) {
    const { disk, directory, scratchDirectory, snapshots } = options
    this.#options = options
    this.#shownAs = join('volumes', basename(directory))
    this.#indexDirectory = join(directory, 'index')
    const journalDirectory = join(directory, 'journal')
    this.places = new ReadablePlaces(disk, journalDirectory)
    this.index = openScratch(disk, join(scratchDirectory, 'journal'))
    this.kept = openScratch(disk, join(scratchDirectory, 'kept'))
    this.#badChunks = openScratch(disk, join(scratchDirectory, 'bad'))
    this.#lacking = openScratch(disk, join(scratchDirectory, 'lacking'))
    const pending = new PendingPuts()
    this.elements = new VolumeElements(new ElementLookup(this.index, pending), pending)
    const live = new LiveLabels(snapshots.map(({ label }) => label))
    this.#forgottenIndex = openScratch(disk, join(scratchDirectory, 'forgotten'))
    this.#forgotten = new ForgottenObjects(this.#forgottenIndex)
    this.#needed = new NeededElements(this.index, this.elements, live, (object) =>
      this.#forgotten.upTo(object),
    )

    this.#sessions = this.#openSessions()
    this.#state = readIndexState(disk, this.#indexDirectory)
    const checkpoint = checkpointOf(disk, this.#indexDirectory)
    this.journal = this.#surveyJournal(this.#state, checkpoint, () => {
      this.#comparison = this.#compare()
    })
    this.#isTrusted = isIndexTrusted(
      disk,
      this.#indexDirectory,
      this.#state,
      basename(directory),
      options.bootId,
    )
    this.indexKnowledge = knowledgeIn(this.#comparison, this.#isTrusted)
    this.#judgeLost(checkpoint)
    if (this.indexKnowledge !== 'nothing') addAll(this.kept, this.index, this.journal.end)
    this.#noteSuspects()
    this.#judgeLabels()
    const newest = snapshots.at(-1)?.label ?? 0
    this.sessionEnd = this.#sessions?.lastEnd
    this.gaps =
      this.#sessions?.gapsUntil(forEver, snapshots[0]?.label ?? 0, newest) ??
      (newest === 0 ? [] : undefined)
  }

  /** No snapshot was ever deleted: so the labels in the journal only grow. */
  get isChainWhole(): boolean {
    return this.#options.snapshots.length === this.#options.labelLast
  }

  /** When the records were written of which nothing is known, up to `now`. */
  lostTimes(now: Instant = forEver): LostTime[] {
    const { snapshots } = this.#options
    const oldest = snapshots[0]?.label ?? 0
    const newest = snapshots.at(-1)?.label ?? 0
    return lostTimes(this.unknown, this.isChainWhole, oldest, newest, this.sessionEnd, now)
  }

  /**
   * Names what is wrong with the index, and which preserved chunks: what no snapshot sees a sweep may have taken away,
   * rightly. `isSeen`: whether a snapshot with a label above `after`, up to `upTo`, sees one of the `suspects`.
   */
  judgeSuspects(isSeen: IsSeen): void {
    const lacking = this.#countLacking(isSeen)
    this.#judgeIndex(this.#state, this.#comparison, lacking, this.#isTrusted)
    this.#judgeChunks(isSeen)
  }

  close(): void {
    this.index.close()
    this.kept.close()
    this.#badChunks.close()
    this.#lacking.close()
    this.#forgottenIndex.close()
  }

  #compare(): IndexComparison {
    const { disk } = this.#options
    const keep = new PutBatch(this.kept)
    const lack = new PutBatch(this.#lacking)
    const comparison = compareIndex(
      disk,
      this.#indexDirectory,
      this.index,
      (put) => {
        keep.add(put, 0, put.length, beginning)
      },
      (put) => {
        lack.add(put, 0, put.length, beginning)
      },
    )
    keep.finish(beginning)
    lack.finish(beginning)
    comparison.lacking = 0
    for (const put of everyPut(this.#lacking)) {
      if (this.#needed.has(keyOfPut(put))) comparison.lacking++
    }
    return comparison
  }

  #noteSuspects(): void {
    for (const index of [this.#lacking, this.#badChunks]) {
      for (const put of everyPut(index)) {
        const key = keyOfPut(put)
        if (this.#needed.has(key)) this.suspects.add(objectOfKey(key, 0))
      }
    }
  }

  #isNeeded(key: Buffer, isSeen: IsSeen): boolean {
    const needed = this.#needed.neededBy(key)
    if (needed === undefined) return false
    if (!hasLabels(key[0] ?? Table.meta)) return true
    return isSeen(objectOfKey(key, 0), needed.after, needed.upTo)
  }

  #countLacking(isSeen: IsSeen): number {
    let count = 0
    for (const put of everyPut(this.#lacking)) if (this.#isNeeded(keyOfPut(put), isSeen)) count++
    return count
  }

  #judgeChunks(isSeen: IsSeen): void {
    for (const put of everyPut(this.#badChunks)) {
      const key = keyOfPut(put)
      const value = put.subarray(valueStartOfPut(put, 0))
      if (!isEntry(this.index, key, value) || !this.#isNeeded(key, isSeen)) continue
      const { segment, dataOffset, dataBytes } = readChunkValue(value, value.length - checksumBytes)
      this.#options.onFinding({
        severity: 'damage',
        kind: 'chunk-data',
        file: join(this.#shownAs, 'journal', segmentName(segment)),
        range: { start: dataOffset, end: dataOffset + dataBytes },
        text: `a preserved chunk of object ${objectOfKey(key, 0)} is damaged`,
      })
    }
  }

  #surveyJournal(
    state: IndexState | undefined,
    checkpoint: JournalPosition | undefined,
    onCheckpoint: () => void,
  ): JournalSummary {
    const { disk, directory, bootId, withData, onFinding, onProgress } = this.#options
    const volumeId = basename(directory)
    const known = knowledgeOf(state, volumeId, bootId, this.#sessions)
    const isOurs = state?.volumeId === volumeId
    return new JournalSurvey({
      disk,
      directory: join(directory, 'journal'),
      shownAs: join(this.#shownAs, 'journal'),
      volumeId,
      withData,
      known: {
        ...known,
        durableSequence: Math.max(known.durableSequence, checkpoint?.sequence ?? 0),
      },
      segmentsMin: Math.max(
        isOurs ? state.segments : 0,
        checkpoint?.segment ?? 0,
        // It is made when the volume is mounted first.
        this.#options.snapshots.length > 0 ? 1 : 0,
      ),
      batch: new PutBatch(this.index),
      badChunks: new PutBatch(this.#badChunks),
      forgotten: this.#forgotten,
      places: this.places,
      checkpoint,
      onCheckpoint,
      onFinding,
      onProgress,
    }).run()
  }

  #judgeIndex(
    state: IndexState | undefined,
    comparison: IndexComparison | undefined,
    lacking: number,
    isTrusted: boolean,
  ): void {
    const { disk, directory } = this.#options
    const stat = disk.stat(join(this.#indexDirectory, dataName))
    const hasRecords = this.journal.records > 0 || this.journal.lost.length > 0
    if (stat === undefined) {
      if (hasRecords || state !== undefined) {
        this.#find('index-missing', dataName, 'the index is missing; the next mount builds it anew')
      }
      return
    }
    if (state?.volumeId !== basename(directory)) {
      if (hasRecords) this.#find('index-state', stateName, 'the state of the index is lost')
    }
    if (comparison === undefined || comparison.damage !== undefined) {
      const damage = comparison?.damage
      const range = damage && { start: damage.offset, end: damage.offset }
      const why = damage?.message ?? 'nothing in it says how far it reaches'
      if (hasRecords || damage !== undefined) {
        this.#find('index-structure', dataName, `the index is damaged: ${why}`, range)
      }
      return
    }
    // What the machine had not written when it went down is no damage: it is built anew.
    const isTorn = !isTrusted && state !== undefined && state.closed === undefined
    const { badValues, beyond } = comparison
    const wrong = [
      [badValues, 'damaged'],
      [lacking, 'missing'],
      [this.journal.lost.length === 0 ? beyond : 0, 'not from the journal'],
    ].flatMap(([count, what]) => (Number(count) > 0 ? [`${String(count)} ${String(what)}`] : []))
    if (wrong.length > 0) {
      const text = `entries of the index are wrong (${wrong.join(', ')})`
      this.#find('index-entry', dataName, text, undefined, isTorn ? 'note' : 'damage')
    } else if (!isTrusted && state !== undefined) {
      const text = 'the index is not as it was left, but right; the next mount builds it anew'
      this.#find('index-state', dataName, text, undefined, 'note')
    }
  }

  /** Whether what the journal has lost is lost. */
  #judgeLost(checkpoint: JournalPosition | undefined): void {
    const end = this.indexKnowledge === 'all' ? (checkpoint?.sequence ?? 0) : 0
    const isKept = ({ sequenceBefore, count }: LostStretch) => sequenceBefore + count <= end
    this.unknown = this.journal.lost.filter((lost) => lost.count > 0 && !isKept(lost))
    if (this.journal.lost.length === 0) return
    const text =
      this.unknown.length === 0
        ? 'nothing of the past is lost with it: the index still has all that the lost records said'
        : 'what the lost records said is not known: of what was changed since, older snapshots may have lost all'
    const file = join(this.#shownAs, 'journal')
    this.#options.onFinding({ severity: 'note', kind: 'record', file, text })
  }

  /** No element can be from a snapshot that the catalog has never heard of. */
  #judgeLabels(): void {
    const { labelLast } = this.#options
    if (labelLast === undefined || this.journal.label <= labelLast) return
    const text = `the journal knows snapshot number ${this.journal.label}, the catalog none after ${labelLast}`
    this.#options.onFinding({
      severity: 'damage',
      kind: 'label',
      file: 'catalog.json',
      text: `${text}: is it an old copy?`,
    })
  }

  /** Undefined: there is none, or it is damaged. */
  #openSessions(): Sessions | undefined {
    const { disk, directory, bootId, snapshots } = this.#options
    const file = join(this.#shownAs, 'sessions.json')
    const find = (text: string) => {
      this.#options.onFinding({ severity: 'damage', kind: 'sessions', file, text })
    }
    try {
      const sessions = Sessions.open(disk, directory, bootId)
      if (sessions.isKnown) {
        if (!sessions.isClosed && !sessions.hasAlive)
          find('nobody knows when the last session ended')
        return sessions
      }
      if (snapshots.length > 0) find('the record of when the volume was mounted is missing')
      return undefined
    } catch (error) {
      if (!(error instanceof Failure) || error.kind !== 'damaged') throw error
      find('the record of when the volume was mounted is damaged')
      return undefined
    }
  }

  #find(
    kind: StoreFinding['kind'],
    name: string,
    text: string,
    range?: StoreFinding['range'],
    severity: StoreFinding['severity'] = 'damage',
  ): void {
    const file = join(this.#shownAs, 'index', name)
    if (severity === 'damage') this.isIndexWrong = true
    this.#options.onFinding({ severity, kind, file, range, text })
  }
}

const beginning: JournalPosition = { segment: 1, offset: segmentHeaderBytes, sequence: 0 }

/** Whether the newest value of the key is this one. */
function isEntry(index: ElementIndex, key: Buffer, value: Buffer): boolean {
  const cursor = index.seek(key)
  return !cursor.isAtEnd && cursor.key.equals(key) && cursor.value.equals(value)
}

function openScratch(disk: Disk, directory: string): ElementIndex {
  disk.makeDirectories(directory)
  return disk.openIndex(directory)
}

/**
 * An index that has all that could be read of the journal is of this journal; that it has all that could not, only
 * its state can vouch for.
 */
function knowledgeIn(comparison: IndexComparison | undefined, isTrusted: boolean): IndexKnowledge {
  if (comparison === undefined || comparison.damage !== undefined) return 'nothing'
  if (comparison.lacking > 0) return 'nothing'
  return isTrusted && comparison.badValues === 0 ? 'all' : 'some'
}
