import { basename, join } from 'node:path'
import { NumberSet } from '../../base/number-set.js'
import type { Instant } from '../../base/instant.js'
import { isLater } from '../../base/instant.js'
import type { Label, ObjectId } from '../../base/ids.js'
import type { ByteString } from '../../base/bytes.js'
import type { Disk } from '../disk.js'
import { makePrivateDirectory } from '../durable-file.js'
import {
  attributesKeyBytes,
  hasLabels,
  labelOfKey,
  objectOfKey,
  objectPrefixBytes,
  Table,
  writeAttributesKey,
} from '../element-keys.js'
import type { FileLock } from '../file-lock.js'
import { removeIndex } from '../index-state.js'
import { endOfPut } from '../puts.js'
import { segmentName, segmentNumbers } from '../segment.js'
import { Sessions } from '../sessions.js'
import { VolumeStore } from '../volume-store.js'
import { everyPut } from './index-comparison.js'
import type { LostTime } from './lost-times.js'
import {
  readRepairPlan,
  removeRepairPlan,
  writeRepairPlan,
  type RepairPlan,
} from './repair-plan.js'
import { SegmentRewrite } from './segment-rewrite.js'
import type { StoreCheck } from './store-check.js'

export interface StoreRepairOptions {
  readonly disk: Disk
  /** STORE/volumes/<id>. */
  readonly directory: string
  readonly bootId: string
  /** Of the volume; the repair takes it over. */
  readonly lock: FileLock
  /** What was found, just now. */
  readonly check: StoreCheck
  /** Ascending. */
  readonly labels: readonly Label[]
  /** Files in the retired directory that no record speaks of. */
  readonly strays: readonly ObjectId[]
  /** Where directories stand of which a lost record may have said so. */
  readonly chains: readonly { object: ObjectId; parent: ObjectId; name: ByteString }[]
  /** By the clock of the origin: before the first snapshot, and now. */
  readonly bornAt: Instant
  readonly now: Instant
  /** Gets a line for each thing that is done. */
  readonly onDone: (line: string) => void
}

/** Keeps what a repair has replaced, for the user to remove. */
export const damagedDirectory = 'damaged'

/** How much goes into one record. */
const recordBytes = 1 << 20

/**
 * Makes a volume's part of a store consistent again, and invents nothing: what records said that are lost is taken
 * from the index, if that still knows it; else whatever they may have spoken of can't be relied on any more.
 *
 * From the moment at which that is decided, and durably noted, until all is done, nobody else opens the volume. Killed
 * at any moment, it can be started again.
 */
export class StoreRepair {
  readonly #options: StoreRepairOptions
  readonly #journalDirectory: string

  constructor(options: StoreRepairOptions) {
    this.#options = options
    this.#journalDirectory = join(options.directory, 'journal')
  }

  /** Puts back segments that a repair which did not end had moved away, and not replaced: before anything is checked. */
  static resume(disk: Disk, directory: string): void {
    if (readRepairPlan(disk, directory) === undefined) return
    const journal = join(directory, 'journal')
    const damaged = join(directory, damagedDirectory)
    if (disk.stat(damaged) === undefined) return
    const present = new Set(segmentNumbers(disk, journal))
    for (const segment of segmentNumbers(disk, damaged)) {
      if (present.has(segment)) continue
      disk.rename(join(damaged, segmentName(segment)), join(journal, segmentName(segment)))
      disk.syncDirectory(journal)
    }
  }

  /** Whether there is anything to do. */
  get isNeeded(): boolean {
    const { check, disk, directory, strays } = this.#options
    return (
      this.#isJournalWrong ||
      check.isIndexWrong ||
      check.gaps === undefined ||
      strays.length > 0 ||
      readRepairPlan(disk, directory) !== undefined
    )
  }

  /** Releases the lock. */
  run(): void {
    const { check, disk, directory } = this.#options
    if (check.gaps === undefined) this.#restoreSessions()
    if (this.#isJournalWrong || readRepairPlan(disk, directory) !== undefined) this.#repairJournal()
    else if (check.isIndexWrong) this.#removeIndex()
    const plan = readRepairPlan(disk, directory)
    this.#bringInto(plan)
    if (plan !== undefined) removeRepairPlan(disk, directory)
  }

  get #isJournalWrong(): boolean {
    const { lost, wrongSegments } = this.#options.check.journal
    return lost.length > 0 || wrongSegments.length > 0
  }

  get #newest(): Label | 0 {
    return this.#options.labels.at(-1) ?? 0
  }

  #restoreSessions(): void {
    const { disk, directory, bootId, bornAt, now, onDone } = this.#options
    const hadCopy = Sessions.restore(disk, directory, bootId, bornAt, now, this.#newest)
    onDone(
      hadCopy
        ? 'the record of when the volume was mounted was restored from its copy'
        : 'the record of when the volume was mounted began anew: what was changed since its first ' +
            'mount, and not preserved, is lost to its snapshots',
    )
  }

  #repairJournal(): void {
    const { check, disk, directory, now } = this.#options
    const before = readRepairPlan(disk, directory)
    const kept = check.indexKnowledge === 'nothing' ? [] : everyPut(check.kept)
    writeRepairPlan(disk, directory, {
      lost: [...(before?.lost ?? []), ...check.lostTimes(now)],
      puts: Buffer.concat([before?.puts ?? Buffer.alloc(0), ...kept]),
    })
    for (const segment of this.#segmentsToRewrite()) this.#rewrite(segment)
    this.#removeIndex()
  }

  /** Who opens the volume builds it anew. */
  #removeIndex(): void {
    const { disk, directory, onDone } = this.#options
    const index = join(directory, 'index')
    makePrivateDirectory(disk, index)
    removeIndex(disk, index)
    onDone('the index was built anew from the journal')
  }

  #segmentsToRewrite(): number[] {
    const { lost, wrongSegments } = this.#options.check.journal
    const segments = [...lost, ...wrongSegments].map(({ segment }) => segment)
    return [...new Set(segments)].sort((a, b) => a - b)
  }

  #rewrite(segment: number): void {
    const { check, disk, directory, onDone } = this.#options
    const { lost, wrongSegments } = check.journal
    const stretches = lost.filter((each) => each.segment === segment)
    const wrong = wrongSegments.find((each) => each.segment === segment)
    const name = segmentName(segment)
    const path = join(this.#journalDirectory, name)
    new SegmentRewrite({
      disk,
      directory: this.#journalDirectory,
      volumeId: basename(directory),
      segment,
      firstSequence:
        wrong?.firstSequence ??
        check.journal.firstSequences.get(segment) ??
        (stretches[0]?.sequenceBefore ?? 0) + 1,
      isMissing: wrong?.isMissing ?? false,
      stretches,
    }).write(`${path}.new`)
    if (wrong?.isMissing !== true) this.#putAside(path, name)
    disk.rename(`${path}.new`, path)
    disk.syncDirectory(this.#journalDirectory)
    const records = stretches.reduce((sum, { count }) => sum + count, 0)
    onDone(`${name} of the journal was written anew without ${records} records that are lost`)
  }

  #putAside(path: string, name: string): void {
    const { disk, directory } = this.#options
    const damaged = join(directory, damagedDirectory)
    makePrivateDirectory(disk, damaged)
    // What an earlier repair has left there goes out of the way.
    let other = 1
    while (disk.stat(join(damaged, `${name}.${other}`)) !== undefined) other++
    if (disk.stat(join(damaged, name)) !== undefined) {
      disk.rename(join(damaged, name), join(damaged, `${name}.${other}`))
    }
    disk.rename(path, join(damaged, name))
    disk.syncDirectory(damaged)
    disk.syncDirectory(this.#journalDirectory)
  }

  /** Into the journal, which is sound now, goes what must be known from now on. */
  #bringInto(plan: RepairPlan | undefined): void {
    const { check, disk, directory, bootId, lock, strays, onDone } = this.#options
    const writtenAt = this.#newest
    const { end, tornBytes } = check.journal
    const store = VolumeStore.open({
      disk,
      directory,
      durability: 'strict',
      bootId,
      lock,
      repairing: {
        durableSequence: end.sequence,
        left: tornBytes > 0 ? 'anything' : 'nothing',
      },
    })
    try {
      for (const object of strays) {
        const change = store.change()
        change.addLocation(object, { isRetired: true, places: [], bornAfter: 0, writtenAt })
        store.commit(change)
      }
      if (plan !== undefined) this.#addChains(store)
      if (strays.length > 0) onDone(`${strays.length} removed files were entered again`)
      if (plan === undefined) return
      this.#addPuts(store, plan.puts)
      store.sessions.addGaps(
        plan.lost.map(({ start, end: to, labelLast }) => ({ start, end: to, label: labelLast })),
      )
      const count = plan.lost.reduce((sum, lost) => sum + this.#addDrifts(store, lost), 0)
      if (count > 0)
        onDone(`${count} files and directories are not relied on any more where records are lost`)
    } finally {
      store.close()
    }
  }

  #addChains(store: VolumeStore): void {
    const { chains, onDone } = this.#options
    const writtenAt = this.#newest
    for (const { object, parent, name } of chains) {
      const change = store.change()
      const places = [{ parent, name }]
      change.addLocation(object, { isRetired: false, places, bornAfter: 0, writtenAt })
      store.commit(change)
    }
    if (chains.length > 0) onDone(`${chains.length} directories were entered again where they are`)
  }

  #addPuts(store: VolumeStore, puts: Buffer): void {
    for (let start = 0; start < puts.length;) {
      let end = start
      while (end < puts.length && end - start < recordBytes) end = endOfPut(puts, end)
      const change = store.change()
      change.addPuts(puts.subarray(start, end))
      store.commit(change)
      start = end
    }
    if (puts.length > 0) this.#options.onDone('what the lost records said was taken from the index')
  }

  /**
   * What was preserved of an object under later labels may lack what a lost record had under an earlier one: snapshots
   * may believe it no more, unless the object was not changed in that time.
   */
  #addDrifts(store: VolumeStore, lost: LostTime): number {
    const { labels } = this.#options
    const within = labels.filter((label) => label >= lost.labelFirst && label <= lost.labelLast)
    let count = 0
    for (const object of this.#objectsAfter(lost.labelFirst)) {
      const isKnown = this.#options.check.isChainWhole
      if (isKnown && !this.#mayHaveChanged(object as ObjectId, lost)) continue
      const change = store.change()
      const before = store.drifts(object as ObjectId)
      const all = [...new Set([...before, ...within])].sort((a, b) => a - b)
      if (all.length === before.length) continue
      change.addDrift(object as ObjectId, all)
      store.commit(change)
      count++
    }
    return count
  }

  /** Objects that have elements under a later label. */
  #objectsAfter(label: Label): NumberSet {
    const objects = new NumberSet()
    const cursor = this.#options.check.index.seek(Buffer.of(Table.names))
    while (!cursor.isAtEnd) {
      const { key } = cursor
      if (hasLabels(key[0] ?? 0) && labelOfKey(key, key.length) > label)
        objects.add(objectOfKey(key, 0))
      cursor.advance()
    }
    return objects
  }

  /** The first attributes that were preserved after that time tell when the object had been changed last. */
  #mayHaveChanged(object: ObjectId, { start, labelLast }: LostTime): boolean {
    const key = Buffer.alloc(attributesKeyBytes)
    writeAttributesKey(key, 0, object, labelLast + 1)
    const cursor = this.#options.check.index.seek(key)
    const isOfObject =
      !cursor.isAtEnd && cursor.key.compare(key, 0, objectPrefixBytes, 0, objectPrefixBytes) === 0
    if (!isOfObject) return true
    const { value } = cursor
    if (value.length < 100) return true
    return isLater({ sec: value.readDoubleLE(72), nsec: value.readUInt32LE(96) }, start)
  }
}
