import { join } from 'node:path'
import { crc32cOf } from '../checksum.js'
import type { Disk } from '../disk.js'
import type { ChunkPlace } from '../elements.js'
import { segmentName } from '../segment.js'

interface Range {
  start: number
  end: number
}

/** Which preserved chunks can be read, as far as the journal was looked over. */
export class ReadablePlaces {
  readonly #disk: Disk
  readonly #journalDirectory: string
  /** Bytes of each segment that is there and in its place. */
  readonly #sizes = new Map<number, number>()
  /** By segment, ascending. Known to be wrong. */
  readonly #bad = new Map<number, Range[]>()
  /** By segment, ascending. What is there nobody could tell without asking for it. */
  readonly #doubtful = new Map<number, Range[]>()

  /** Named by records that do not hold them, as a repair writes: by segment, where they start. */
  readonly #elsewhere = new Map<number, Set<number>>()

  constructor(disk: Disk, journalDirectory: string) {
    this.#disk = disk
    this.#journalDirectory = journalDirectory
  }

  addSegment(segment: number, sizeBytes: number): void {
    this.#sizes.set(segment, sizeBytes)
  }

  addBad(segment: number, start: number, end: number): void {
    append(this.#bad, segment, start, end)
  }

  addDoubtful(segment: number, start: number, end: number): void {
    append(this.#doubtful, segment, start, end)
  }

  /** A run that a record names and does not hold itself: what lies there now may be something else. */
  addElsewhere(segment: number, start: number): void {
    const starts = this.#elsewhere.get(segment)
    if (starts === undefined) this.#elsewhere.set(segment, new Set([start]))
    else starts.add(start)
  }

  isReadable(place: ChunkPlace): boolean {
    const { segment, dataOffset: start, dataBytes } = place
    if (dataBytes === 0) return true
    const end = start + dataBytes
    const size = this.#sizes.get(segment)
    if (size === undefined || end > size || overlaps(this.#bad.get(segment), start, end)) {
      return false
    }
    const isInDoubt =
      overlaps(this.#doubtful.get(segment), start, end) ||
      this.#elsewhere.get(segment)?.has(start) === true
    return !isInDoubt || this.#isRight(place)
  }

  #isRight({ segment, dataOffset, dataBytes, crc }: ChunkPlace): boolean {
    const fd = this.#disk.open(join(this.#journalDirectory, segmentName(segment)), 'reading')
    try {
      const run = Buffer.allocUnsafe(dataBytes)
      const read = this.#disk.read(fd, run, 0, dataBytes, dataOffset)
      return read === dataBytes && crc32cOf(run, 0, dataBytes, 0) === crc
    } finally {
      this.#disk.close(fd)
    }
  }
}

/** Ranges come in order; those that touch become one. */
function append(ranges: Map<number, Range[]>, segment: number, start: number, end: number): void {
  let list = ranges.get(segment)
  if (list === undefined) {
    list = []
    ranges.set(segment, list)
  }
  const last = list.at(-1)
  if (last !== undefined && last.end >= start) last.end = Math.max(last.end, end)
  else list.push({ start, end })
}

function overlaps(ranges: readonly Range[] | undefined, start: number, end: number): boolean {
  let low = 0
  let high = ranges?.length ?? 0
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((ranges?.[middle]?.end ?? 0) <= start) low = middle + 1
    else high = middle
  }
  return (ranges?.[low]?.start ?? Infinity) < end
}
