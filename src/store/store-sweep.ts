import { faultPoint } from '../base/fault-point.js'
import type { Label, ObjectId } from '../base/ids.js'
import { entriesOfPiece, type ChangeWriter } from './change-writer.js'
import type { DeadRun } from './dead-runs.js'
import { isFull } from './durable-file.js'
import type { ElementIndex } from './element-index.js'
import type { ElementLookup } from './element-lookup.js'
import { ElementSweep } from './element-sweep.js'
import type { SweepFindings } from './element-sweep.js'
import type { Journal } from './journal.js'
import type { LiveLabels } from './live-labels.js'
import type { JournalCompaction } from './journal-compaction.js'
import { RecordLiveness } from './record-liveness.js'
import { SpaceUse } from './space-use.js'
import type { VolumeElements } from './volume-elements.js'

/** Of elements that were freed since the journal was last looked through: about so many bytes of it, without data. */
export interface UnusedRecords {
  bytes: number
}

/** It is looked through when more than the so-manieth part of it is unused. */
const unusedShare = 20
/** What an element takes in the journal beside its key: its value, and its share of the record. */
const recordBytes = 100

/**
 * Of the retired directory: what no snapshot knows, for its owner to forget and remove, and what is needed, for
 * him to add its bytes to `use`.
 */
export type SweepStep = Pick<SweepFindings, 'unneeded' | 'needed' | 'isEnd'>

/**
 * A pass that takes from the store what no snapshot needs any more, step by step. It can be broken off at any step,
 * a crash included, and begun anew.
 *
 * Elements are taken from the index alone. If that is built anew they are there again, and do no harm: no snapshot
 * there is sees them, and those to come have higher labels.
 */
export class StoreSweep {
  /** Complete when the pass is. */
  readonly use = new SpaceUse()
  readonly #journal: Journal
  readonly #index: ElementIndex
  readonly #lookup: ElementLookup
  readonly #writer: ChangeWriter
  readonly #elements: ElementSweep
  readonly #liveness: RecordLiveness
  readonly #unused: UnusedRecords
  #compaction: JournalCompaction | undefined
  #elementsFreed = 0
  #bytesFreed = 0

  constructor(
    journal: Journal,
    index: ElementIndex,
    lookup: ElementLookup,
    writer: ChangeWriter,
    live: LiveLabels,
    elements: VolumeElements,
    unused: UnusedRecords,
  ) {
    this.#journal = journal
    this.#index = index
    this.#lookup = lookup
    this.#writer = writer
    this.#elements = new ElementSweep(index, live, this.use)
    this.#liveness = new RecordLiveness(index, elements, live)
    this.#unused = unused
  }

  get counts(): {
    visited: number
    elementsFreed: number
    bytesFreed: number
    recordBytesFreed: number
  } {
    return {
      visited: this.#elements.visited,
      elementsFreed: this.#elementsFreed,
      bytesFreed: this.#bytesFreed,
      recordBytesFreed: this.#compaction?.counts.bytesFreed ?? 0,
    }
  }

  step(entriesMax: number): SweepStep {
    this.#indexPending()
    const { dead, runs, unneeded, needed, isEnd } = this.#elements.step(entriesMax)
    this.#free(dead, runs)
    return { unneeded, needed, isEnd }
  }

  /** Frees up to `entriesMax` elements, with labels up to `label`, of an object that is gone for good; whether those were all. */
  purge(object: ObjectId, label: Label | 0, entriesMax: number): boolean {
    this.#indexPending()
    const { dead, runs } = this.#elements.elementsOf(object, label, entriesMax)
    this.#free(dead, runs)
    return dead.length < entriesMax
  }

  /**
   * When the pass is through: gives back the space of up to `recordsMax` records of elements that were freed, in this pass
   * or before. True when that is done, or not worth it yet; `isThorough`: always worth it.
   */
  compact(recordsMax: number, isThorough: boolean): boolean {
    if (this.#compaction === undefined) {
      const isWorth = this.#unused.bytes * unusedShare > this.#journal.takenBytes()
      if (!isWorth && !isThorough) return true
      this.#unused.bytes = 0
    }
    this.#indexPending()
    this.#compaction ??= this.#journal.compaction(this.#liveness)
    return this.#compaction.step(recordsMax)
  }

  /** Its owner's: nothing more is freed. */
  close(): void {
    this.#compaction?.close()
  }

  #indexPending(): void {
    this.#writer.withReserve(() => {
      this.#writer.indexPending()
    })
  }

  #free(dead: readonly Buffer[], runs: readonly DeadRun[]): void {
    if (dead.length === 0) return
    faultPoint('sweep.begun')
    // First of all: nothing may lead to data that is gone.
    this.#remove(dead)
    faultPoint('sweep.removed')
    this.#journal.punch(runs)
    faultPoint('sweep.punched')
    this.#elementsFreed += dead.length
    this.#bytesFreed += runs.reduce((sum, { bytes }) => sum + bytes, 0)
    this.#unused.bytes += dead.reduce((sum, key) => sum + key.length + recordBytes, 0)
  }

  #remove(keys: readonly Buffer[]): void {
    if (keys.length === 0) return
    try {
      this.#writer.withReserve(() => {
        this.#index.apply({ entries: keys.length, bytes: 0 }, (_put, remove) => {
          for (const key of keys) remove(key)
          return this.#journal.position
        })
      })
    } catch (error) {
      if (!isFull(error) || keys.length <= entriesOfPiece) throw error
      const half = Math.ceil(keys.length / 2)
      this.#remove(keys.slice(0, half))
      this.#remove(keys.slice(half))
    } finally {
      this.#lookup.noteRemoved()
    }
  }
}
