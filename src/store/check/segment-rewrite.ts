import { join } from 'node:path'
import type { Disk } from '../disk.js'
import { Table } from '../element-keys.js'
import { checksumBytes, readChunkValue } from '../element-values.js'
import { endOfPut, putHeaderBytes, valueStartOfPut } from '../puts.js'
import { RecordScan } from '../record-scan.js'
import { recordHeaderBytes, lostRecordHeader } from '../record.js'
import { segmentHeaderBytes, segmentHeaderOf, segmentName } from '../segment.js'
import { SegmentReader } from '../segment-reader.js'
import type { LostStretch } from './lost-stretches.js'

const copyBytes = 1 << 20

export interface SegmentRewriteOptions {
  readonly disk: Disk
  readonly directory: string
  readonly volumeId: string
  readonly segment: number
  readonly firstSequence: number
  readonly isMissing: boolean
  /** Ascending. */
  readonly stretches: readonly LostStretch[]
}

/**
 * Writes a segment anew under the name `path`: all sound records as they were and, as far as it can be told, where
 * they were, so that their chunks are found; records that stand for them where others are lost, with the bytes that lay there.
 */
export class SegmentRewrite {
  readonly #options: SegmentRewriteOptions
  readonly #seed: number
  readonly #header: Buffer
  #reader: SegmentReader | undefined
  #out = -1
  #offset = 0

  constructor(options: SegmentRewriteOptions) {
    this.#options = options
    const { segment, volumeId, firstSequence } = options
    const { bytes, header } = segmentHeaderOf(segment, volumeId, firstSequence)
    this.#header = bytes
    this.#seed = header.seed
  }

  /** Durable but for its name when it returns. */
  write(path: string): void {
    const { disk, directory, segment, isMissing } = this.#options
    const from = isMissing ? -1 : disk.open(join(directory, segmentName(segment)), 'reading')
    try {
      if (!isMissing) this.#reader = new SegmentReader(disk, from)
      disk.remove(path)
      this.#out = disk.open(path, 'make new')
      this.#write()
      disk.sync(this.#out)
    } finally {
      if (from >= 0) disk.close(from)
      if (this.#out >= 0) disk.close(this.#out)
    }
  }

  #write(): void {
    const { stretches } = this.#options
    this.#put(this.#header)
    let position = segmentHeaderBytes
    for (const [at, stretch] of stretches.entries()) {
      this.#copy(position, stretch.start)
      const next = stretches[at + 1]?.start ?? this.#sizeBytes
      this.#putVoid(stretch, this.#placeOf(stretch.end, next))
      position = stretch.end
    }
    this.#copy(position, this.#sizeBytes)
  }

  get #sizeBytes(): number {
    return this.#reader?.sizeBytes ?? segmentHeaderBytes
  }

  /** `place`: where what follows was before, if that is known. */
  #putVoid({ start, end, count, sequenceBefore }: LostStretch, place: number | undefined): void {
    const sequence = sequenceBefore + count
    const isAll = start <= segmentHeaderBytes && end === this.#sizeBytes
    const found = end - start
    let bytes = place === undefined ? (count > 0 || isAll ? found : 0) : place - this.#offset
    if (count > 0 && bytes < recordHeaderBytes) bytes = Math.max(found, recordHeaderBytes)
    // Too little for a record, or nothing that any could have been.
    if (bytes < recordHeaderBytes || sequence === 0) return
    this.#put(lostRecordHeader(this.#seed, sequence, bytes))
    const data = bytes - recordHeaderBytes
    const kept = Math.max(0, Math.min(data, found - recordHeaderBytes))
    this.#copy(start + recordHeaderBytes, start + recordHeaderBytes + kept)
    for (let left = data - kept; left > 0; left -= Math.min(left, copyBytes)) {
      this.#put(Buffer.alloc(Math.min(left, copyBytes)))
    }
  }

  /**
   * Where the record at `from` was when it was written: its chunks tell, or those of one of the next. Undefined: none
   * does before `to`.
   */
  #placeOf(from: number, to: number): number | undefined {
    const reader = this.#reader
    if (reader === undefined) return undefined
    const scan = new RecordScan(reader, this.#seed, from, to)
    while (scan.readHeader() === 'whole') {
      const { bodyBytes, dataBytes } = scan.header
      const body = scan.readBody()
      if (body === undefined) return undefined
      const isBearing = dataBytes > 0 && scan.header.kind === 'change'
      const first = isBearing ? firstRun(reader.window, body, body + bodyBytes) : undefined
      if (first !== undefined) return from + first - (scan.recordEnd - dataBytes)
      scan.next()
    }
    return undefined
  }

  #copy(from: number, to: number): void {
    for (let at = from; at < to; at += copyBytes) {
      const bytes = Math.min(copyBytes, to - at)
      const start = this.#reader?.fill(at, bytes) ?? 0
      const part = this.#reader?.window.subarray(start, start + bytes)
      if (part !== undefined) this.#put(part)
    }
  }

  #put(bytes: Uint8Array): void {
    this.#options.disk.write(this.#out, bytes, this.#offset)
    this.#offset += bytes.length
  }
}

/** The lowest offset of the runs that the puts in [start, end) place. */
function firstRun(puts: Buffer, start: number, end: number): number | undefined {
  let first: number | undefined
  for (let at = start; at < end; at = endOfPut(puts, at)) {
    if (puts[at + putHeaderBytes] !== Table.chunks) continue
    const value = puts.subarray(valueStartOfPut(puts, at), endOfPut(puts, at))
    const { dataOffset, dataBytes } = readChunkValue(value, value.length - checksumBytes)
    if (dataBytes > 0) first = Math.min(first ?? Infinity, dataOffset)
  }
  return first
}
