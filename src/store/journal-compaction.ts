import { faultPoint } from '../base/fault-point.js'
import { isKept } from '../base/rules.js'
import type { Disk } from './disk.js'
import type { RecordLiveness } from './record-liveness.js'
import { RecordScan } from './record-scan.js'
import { comesAfter, freedRecordHeader, recordHeaderBytes } from './record.js'
import { segmentHeaderBytes, type SegmentHeader } from './segment.js'
import { SegmentReader } from './segment-reader.js'

/** Only whole ones can be given back. */
const blockBytes = 4096
/** A header that lies in one is on the disk whole or not at all. */
const sectorBytes = 512
/** So many stretches share one sync. */
const runsMax = 128
/** The data between two records is not read. */
const windowBytes = 16 << 10

/** Records that follow one another and that nobody needs. */
interface Run {
  start: number
  end: number
  /** Of its first record and its last. */
  first: number
  last: number
  records: number
  /** Of these without their data. */
  bytes: number
}

interface OpenSegment {
  fd: number
  header: SegmentHeader
  reader: SegmentReader
  scan: RecordScan
  sequence: number
}

export interface CompactionOptions {
  readonly disk: Disk
  readonly liveness: RecordLiveness
  /** Those that are complete, ascending; the newest is not. */
  readonly segments: readonly number[]
  /** For the one who asks to write to, and to close. */
  readonly openSegment: (segment: number) => { fd: number; header: SegmentHeader }
  /** Brings what was committed to the disk. */
  readonly sync: () => void
}

/**
 * Gives back the space of records that nobody needs: where enough of them follow one another, a header that stands for
 * all of them is written over the first one's, and what lies behind it becomes a hole. All else stays where it is. It
 * can be broken off at any moment, also by a crash.
 */
export class JournalCompaction {
  readonly #options: CompactionOptions
  readonly #segments: number[]
  #open: OpenSegment | undefined
  #run: Run | undefined
  /** Those of the open segment that are complete, and not freed yet. */
  #runs: Run[] = []
  #recordsFreed = 0
  #bytesFreed = 0

  constructor(options: CompactionOptions) {
    this.#options = options
    this.#segments = [...options.segments]
  }

  get counts(): { recordsFreed: number; bytesFreed: number } {
    return { recordsFreed: this.#recordsFreed, bytesFreed: this.#bytesFreed }
  }

  /** Looks at up to `recordsMax` records; true at the end. All must be indexed. */
  step(recordsMax: number): boolean {
    for (let left = recordsMax; left > 0; left--) {
      const open = (this.#open ??= this.#openNext())
      if (open === undefined) return true
      if (open.scan.offset >= open.reader.sizeBytes) this.#closeSegment()
      else this.#look(open)
    }
    return false
  }

  /** Lets go of what is open; nothing more is freed. */
  close(): void {
    if (this.#open !== undefined) this.#options.disk.close(this.#open.fd)
    this.#open = undefined
  }

  #openNext(): OpenSegment | undefined {
    const segment = this.#segments.shift()
    if (segment === undefined) return undefined
    const { fd, header } = this.#options.openSegment(segment)
    const reader = new SegmentReader(this.#options.disk, fd, windowBytes)
    const scan = new RecordScan(reader, header.seed, segmentHeaderBytes)
    return { fd, header, reader, scan, sequence: header.firstSequence - 1 }
  }

  #look(open: OpenSegment): void {
    const { scan, reader } = open
    const isNext = scan.readHeader() === 'whole' && comesAfter(scan.header, open.sequence)
    const body = isNext ? scan.readBody() : undefined
    if (body === undefined) {
      // Damage is for `check`; what lies behind it stays too.
      this.#closeSegment()
      return
    }
    const { kind, bodyBytes, sequence } = scan.header
    const isNeeded =
      kind === 'change'
        ? this.#options.liveness.isNeeded(reader.window, body, body + bodyBytes)
        : kind === 'lost'
    const canBegin = this.#run !== undefined || isInOneSector(scan.offset)
    if (isNeeded || !canBegin) this.#endRun()
    else this.#add(scan, open.sequence + 1)
    open.sequence = sequence
    scan.next()
  }

  #add(scan: RecordScan, first: number): void {
    const { offset: start } = scan
    const run = (this.#run ??= { start, end: start, first, last: 0, records: 0, bytes: 0 })
    run.end = scan.recordEnd
    run.last = scan.header.sequence
    // One that was freed before is not freed again.
    if (scan.header.kind === 'freed') return
    run.records++
    run.bytes += recordHeaderBytes + scan.header.bodyBytes
  }

  #endRun(): void {
    const run = this.#run
    this.#run = undefined
    if (run === undefined || run.records === 0) return
    const { start, end } = holeOf(run)
    if (end <= start) return
    this.#runs.push(run)
    if (this.#runs.length === runsMax) this.#free()
  }

  #closeSegment(): void {
    this.#endRun()
    this.#free()
    this.close()
  }

  #free(): void {
    const { disk, sync } = this.#options
    const runs = this.#runs.splice(0)
    if (runs.length === 0 || this.#open === undefined) return
    const { fd, header } = this.#open
    faultPoint('compaction.begun')
    // Nothing is given up in favour of what a crash may take.
    sync()
    for (const { start, end, first, last } of runs) {
      disk.write(fd, freedRecordHeader(header.seed, first, last, end - start), start)
    }
    faultPoint('compaction.written')
    // Or a crash could leave the hole and the header of a record that lay there.
    if (isKept('compaction.synced')) disk.syncData(fd)
    faultPoint('compaction.synced')
    for (const run of runs) {
      const { start, end } = holeOf(run)
      disk.punch(fd, start, end - start)
      this.#recordsFreed += run.records
      this.#bytesFreed += Math.min(run.bytes, end - start)
    }
    faultPoint('compaction.punched')
  }
}

function isInOneSector(offset: number): boolean {
  return (offset % sectorBytes) + recordHeaderBytes <= sectorBytes
}

/** The whole blocks behind the header. */
function holeOf({ start, end }: Run): { start: number; end: number } {
  const first = Math.ceil((start + recordHeaderBytes) / blockBytes)
  return { start: first * blockBytes, end: Math.floor(end / blockBytes) * blockBytes }
}
