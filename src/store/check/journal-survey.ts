import { isErrno } from '../../base/errno.js'
import { join } from 'node:path'
import { Failure } from '../../base/failure.js'
import { crc32cOf } from '../checksum.js'
import type { Disk } from '../disk.js'
import { hasLabels, labelOfKey, Table, objectOfKey } from '../element-keys.js'
import { checksumBytes, readChunkValue, isNowhere, readLocationValue } from '../element-values.js'
import type { JournalPosition } from '../journal.js'
import { findTail, type TailKnowledge } from '../journal-tail.js'
import { endOfPut, putHeaderBytes, valueStartOfPut } from '../puts.js'
import { RecordScan } from '../record-scan.js'
import { recordHeaderBytes } from '../record.js'
import { readSegmentHeader, segmentHeaderBytes, segmentHeaderOf } from '../segment.js'
import { segmentName, segmentNumbers, type SegmentHeader } from '../segment.js'
import { SegmentReader } from '../segment-reader.js'
import type { OnFinding, OnProgress, StoreFinding } from './finding.js'
import { LostStretches, type LostStretch } from './lost-stretches.js'
import type { ForgottenObjects } from './forgotten-objects.js'
import type { PutBatch } from './put-batch.js'
import type { ReadablePlaces } from './readable-places.js'

export interface JournalSurveyOptions {
  readonly disk: Disk
  readonly directory: string
  /** The same, relative to the store. */
  readonly shownAs: string
  readonly volumeId: string
  /** Also reads every preserved chunk. */
  readonly withData: boolean
  /** The end of the journal, while somebody writes on behind it. Undefined: it ends with its last record. */
  readonly end?: JournalPosition | undefined
  readonly known: TailKnowledge
  /** How many segments there must be at least. */
  readonly segmentsMin: number
  /** Gets all that is sound. */
  readonly batch: PutBatch
  /** Gets the puts of chunks whose bytes are not right, if they are read. */
  readonly badChunks: PutBatch
  readonly forgotten: ForgottenObjects
  readonly places: ReadablePlaces
  /** When all up to there is in the batch's index, `onCheckpoint` is called, once. */
  readonly checkpoint: JournalPosition | undefined
  readonly onCheckpoint: () => void
  readonly onFinding: OnFinding
  readonly onProgress: OnProgress
}

/** A segment that is not there, or has lost its head. */
export interface WrongSegment {
  readonly segment: number
  readonly isMissing: boolean
  /** Undefined: nothing tells but what is lost before it. */
  readonly firstSequence: number | undefined
}

export interface JournalSummary {
  /** Behind the last record. */
  readonly end: JournalPosition
  readonly lost: readonly LostStretch[]
  readonly wrongSegments: readonly WrongSegment[]
  /** Of the segments with a sound head. */
  readonly firstSequences: ReadonlyMap<number, number>
  readonly records: number
  readonly bytes: number
  /** What a crash left of a last record that nobody relied on. */
  readonly tornBytes: number
  /** The newest of all records. */
  readonly label: number
}

/**
 * Walks over a whole journal: hands on what is sound, names what is not, and tells what may have been
 * in it. Changes nothing.
 */
export class JournalSurvey {
  readonly #options: JournalSurveyOptions
  readonly #lost: LostStretches
  readonly #wrongSegments: WrongSegment[] = []
  readonly #firstSequences = new Map<number, number>()
  #records = 0
  #tornBytes = 0
  #bytesDone = 0
  #bytesAll = 0
  #isBehindCheckpoint = false

  constructor(options: JournalSurveyOptions) {
    this.#options = options
    this.#lost = new LostStretches((lost) => {
      this.#onLost(lost)
    })
  }

  run(): JournalSummary {
    const { disk, directory, segmentsMin, end, batch, badChunks, known } = this.#options
    const present = new Set(segmentNumbers(disk, directory))
    const newest = end?.segment ?? Math.max(segmentsMin, ...present)
    for (const segment of present) this.#bytesAll += this.#sizeOf(segment)
    let offset = segmentHeaderBytes
    for (let segment = 1; segment <= newest; segment++) {
      offset = present.has(segment)
        ? this.#survey(segment, segment === newest)
        : this.#missing(segment)
    }
    // Where nobody knows how many records there were, one at least is lost of which there is a trace.
    const isKnown = known.durableSequence >= this.#lost.sequence && known.durableSequence > 0
    const last = isKnown || !this.#lost.hasOpen ? known.durableSequence : this.#lost.sequence + 1
    this.#lost.resolve(last + 1, newest, offset)
    const position = { segment: newest, offset, sequence: this.#lost.sequence }
    batch.finish(position)
    badChunks.finish(noPosition)
    this.#passCheckpoint()
    return {
      end: position,
      lost: this.#lost.all,
      wrongSegments: this.#wrongSegments,
      firstSequences: this.#firstSequences,
      records: this.#records,
      bytes: this.#bytesDone,
      tornBytes: this.#tornBytes,
      label: this.#lost.label,
    }
  }

  #missing(segment: number): number {
    this.#find('segment-missing', segment, undefined, 'a segment of the journal is missing')
    this.#wrongSegments.push({ segment, isMissing: true, firstSequence: undefined })
    this.#lost.add(segment, segmentHeaderBytes, segmentHeaderBytes)
    return segmentHeaderBytes
  }

  /** Returns where the segment's records end. */
  #survey(segment: number, isNewest: boolean): number {
    const { disk, directory, places } = this.#options
    const fd = disk.open(join(directory, segmentName(segment)), 'reading')
    try {
      const reader = new SegmentReader(disk, fd)
      places.addSegment(segment, reader.sizeBytes)
      const header = this.#header(segment, reader)
      const start = Math.min(segmentHeaderBytes, reader.sizeBytes)
      let end = reader.sizeBytes
      if (header === undefined) this.#addLost(segment, start, end)
      else {
        if (isNewest) end = this.#endOf(header, reader)
        this.#walk(header, reader, end)
      }
      this.#bytesDone += reader.sizeBytes
      return end
    } finally {
      disk.close(fd)
    }
  }

  /** Undefined: what lies there is not the segment, or too little of it is left. */
  #header(segment: number, reader: SegmentReader): SegmentHeader | undefined {
    const { volumeId, directory } = this.#options
    const path = join(directory, segmentName(segment))
    try {
      const isWhole = reader.sizeBytes >= segmentHeaderBytes
      const at = isWhole ? reader.fill(0, segmentHeaderBytes) : 0
      const bytes = Buffer.alloc(segmentHeaderBytes)
      if (isWhole) reader.window.copy(bytes, 0, at, at + segmentHeaderBytes)
      const header = readSegmentHeader(bytes, isWhole, path, segment, volumeId)
      this.#firstSequences.set(segment, header.firstSequence)
      this.#lost.resolve(header.firstSequence, segment - 1, this.#sizeOf(segment - 1))
      return header
    } catch (error) {
      if (!(error instanceof Failure) || error.kind !== 'damaged') throw error
      return this.#headerWorkedOut(segment, reader)
    }
  }

  /** All of a header is known but the number of the first record; and that a record proves. */
  #headerWorkedOut(segment: number, reader: SegmentReader): SegmentHeader | undefined {
    const { volumeId } = this.#options
    const next = this.#lost.sequence + 1
    const found = sequencesStated(reader)
      .concat(next)
      .map((firstSequence) => segmentHeaderOf(segment, volumeId, firstSequence).header)
      .find(({ seed }) => hasRecord(reader, seed))
    const range = { start: 0, end: Math.min(segmentHeaderBytes, reader.sizeBytes) }
    const what = found === undefined ? 'it can not be read' : 'its records can be read'
    this.#find('segment-header', segment, range, `the head of a segment is damaged: ${what}`)
    if (found !== undefined) {
      this.#lost.resolve(found.firstSequence, segment - 1, this.#sizeOf(segment - 1))
    }
    const firstSequence = found?.firstSequence
    this.#wrongSegments.push({ segment, isMissing: false, firstSequence })
    return found
  }

  /** Where the newest segment's records end. */
  #endOf(header: SegmentHeader, reader: SegmentReader): number {
    const { end, directory, known } = this.#options
    const { segment, firstSequence } = header
    if (end !== undefined) return Math.min(end.offset, reader.sizeBytes)
    const start = { segment, offset: segmentHeaderBytes, sequence: firstSequence - 1 }
    try {
      const tail = findTail(join(directory, segmentName(segment)), reader, header, start, known)
      this.#tornBytes = reader.sizeBytes - tail.offset
      if (this.#tornBytes > 0) {
        const range = { start: tail.offset, end: reader.sizeBytes }
        const text = 'what a crash left of a last record; the next mount cuts it off'
        this.#find('journal-tail', segment, range, text, 'note')
      }
      return tail.offset
    } catch (error) {
      // The walk comes to what is wrong, and goes on behind it.
      if (!(error instanceof Failure) || error.kind !== 'damaged') throw error
      return reader.sizeBytes
    }
  }

  #walk({ segment, seed }: SegmentHeader, reader: SegmentReader, end: number): void {
    for (let offset = segmentHeaderBytes; offset < end;) {
      const scan = new RecordScan(reader, seed, offset, end)
      const body = this.#bodyOfNext(scan)
      if (body === undefined) {
        const next = this.#nextSound(reader, seed, scan, end)
        this.#addLost(segment, offset, next)
        offset = next
        continue
      }
      if (scan.header.sequence > (this.#options.checkpoint?.sequence ?? 0)) this.#passCheckpoint()
      const { kind } = scan.header
      if (kind === 'lost') this.#passLost(segment, scan)
      else if (kind === 'freed') this.#passFreed(segment, scan)
      else {
        this.#lost.resolve(scan.header.sequence, segment, offset)
        this.#take(segment, reader, scan, body)
      }
      offset = scan.recordEnd
      this.#options.onProgress('journal', this.#bytesDone + offset, this.#bytesAll)
    }
  }

  /** Where the body of the record at the scan is in the window; undefined: none that comes next is there. */
  #bodyOfNext(scan: RecordScan): number | undefined {
    if (scan.readHeader() !== 'whole') return undefined
    const { sequence, kind } = scan.header
    const isNext =
      kind === 'lost' ? sequence >= this.#lost.sequence : sequence > this.#lost.sequence
    return isNext ? scan.readBody() : undefined
  }

  #nextSound(reader: SegmentReader, seed: number, from: RecordScan, end: number): number {
    // One that is in the wrong place, or has a bad body, still says where it ends.
    if (from.readHeader() === 'whole') {
      const behind = new RecordScan(reader, seed, from.recordEnd, end)
      if (from.recordEnd === end || this.#bodyOfNext(behind) !== undefined) return from.recordEnd
    }
    const scan = new RecordScan(reader, seed, from.offset, end)
    while (scan.findNext()) if (this.#bodyOfNext(scan) !== undefined) return scan.offset
    return end
  }

  #take(segment: number, reader: SegmentReader, scan: RecordScan, body: number): void {
    const { bodyBytes, sequence, dataBytes } = scan.header
    const bodyEnd = body + bodyBytes
    this.#lost.noteRecord()
    this.#records++
    const position = { segment, offset: scan.recordEnd, sequence }
    this.#options.batch.add(reader.window, body, bodyEnd, position)
    for (let at = body; at < bodyEnd; at = endOfPut(reader.window, at)) {
      this.#put(segment, scan, reader.window, at)
    }
    if (this.#options.withData && dataBytes > 0 && !scan.isDataSound()) {
      this.#findBadChunks(segment, reader, scan)
    }
  }

  #put(segment: number, scan: RecordScan, window: Buffer, at: number): void {
    const keyStart = at + putHeaderBytes
    const valueStart = valueStartOfPut(window, at)
    const crcAt = endOfPut(window, at) - checksumBytes
    if (crcAt < valueStart || window.readUInt32LE(crcAt) !== crc32cOf(window, keyStart, crcAt, 0)) {
      const range = { start: scan.offset, end: scan.recordEnd }
      this.#find('value', segment, range, 'a value in a record has a wrong checksum')
      return
    }
    const table = window[keyStart] ?? 0
    if (hasLabels(table)) this.#lost.noteLabel(labelOfKey(window, valueStart))
    if (table === Table.chunks && scan.header.dataBytes === 0) {
      this.#noteElsewhere(window.subarray(valueStart, crcAt))
    }
    if (table === Table.locations && isForgetting(window.subarray(valueStart, crcAt))) {
      this.#options.forgotten.add(objectOfKey(window, keyStart), this.#lost.label)
    }
    if (table === Table.attributes && crcAt - valueStart >= 100) {
      const sec = window.readDoubleLE(valueStart + 72)
      this.#lost.noteCtime({ sec, nsec: window.readUInt32LE(valueStart + 96) })
    }
  }

  #noteElsewhere(chunk: Buffer): void {
    try {
      const { segment, dataOffset, dataBytes } = readChunkValue(chunk, chunk.length)
      if (dataBytes > 0) this.#options.places.addElsewhere(segment, dataOffset)
    } catch (error) {
      // Makes no sense: whoever needs it is told.
      if (!isErrno(error, 'EIO')) throw error
    }
  }

  #findBadChunks(segment: number, reader: SegmentReader, scan: RecordScan): void {
    const { bodyBytes } = scan.header
    const body = reader.fill(scan.offset + recordHeaderBytes, bodyBytes)
    const puts = Buffer.from(reader.window.subarray(body, body + bodyBytes))
    const dataStart = scan.offset + recordHeaderBytes + bodyBytes
    for (let at = 0; at < puts.length; at = endOfPut(puts, at)) {
      if (puts[at + putHeaderBytes] !== Table.chunks) continue
      const value = puts.subarray(valueStartOfPut(puts, at), endOfPut(puts, at))
      const { dataOffset, dataBytes, crc } = readChunkValue(value, value.length - checksumBytes)
      const end = dataOffset + dataBytes
      const isInside = dataOffset >= dataStart && end <= scan.recordEnd
      if (dataBytes === 0 || (isInside && reader.checksum(dataOffset, dataBytes) === crc)) continue
      this.#options.places.addBad(segment, dataOffset, end)
      this.#options.badChunks.add(puts, at, endOfPut(puts, at), noPosition)
    }
  }

  /** What lies in it are the bytes that a repair could not make sense of; chunks may be among them. */
  #passLost(segment: number, scan: RecordScan): void {
    if (this.#lost.hasOpen) this.#lost.resolve(scan.header.sequence, segment, scan.offset)
    this.#lost.noteAll(scan.header.sequence)
    this.#options.places.addDoubtful(segment, scan.offset, scan.recordEnd)
    const range = { start: scan.offset, end: scan.recordEnd }
    this.#find('record', segment, range, 'here records were lost before a repair', 'note')
  }

  /** Nobody needs what lay in it. */
  #passFreed(segment: number, { offset, header }: RecordScan): void {
    this.#lost.resolve(header.durableSequence + 1, segment, offset)
    this.#lost.noteAll(header.sequence)
  }

  #passCheckpoint(): void {
    const { checkpoint, batch, onCheckpoint } = this.#options
    if (this.#isBehindCheckpoint || checkpoint === undefined) return
    this.#isBehindCheckpoint = true
    batch.finish(checkpoint)
    onCheckpoint()
  }

  #addLost(segment: number, start: number, end: number): void {
    this.#lost.add(segment, start, end)
    if (end > start) this.#options.places.addDoubtful(segment, start, end)
  }

  #onLost({ segment, start, end, count }: LostStretch): void {
    const text =
      count === 0
        ? 'bytes that are no record of this journal'
        : count === 1
          ? 'a record is lost'
          : `${count} records are lost`
    const isMissing = this.#wrongSegments.some(
      (wrong) => wrong.segment === segment && wrong.isMissing,
    )
    if (isMissing && count === 0) return
    this.#find(end > start ? 'record' : 'records-missing', segment, { start, end }, text)
  }

  #sizeOf(segment: number): number {
    const { disk, directory } = this.#options
    return disk.stat(join(directory, segmentName(segment)))?.sizeBytes ?? segmentHeaderBytes
  }

  #find(
    kind: StoreFinding['kind'],
    segment: number,
    range: StoreFinding['range'],
    text: string,
    severity: StoreFinding['severity'] = 'damage',
  ): void {
    const file = join(this.#options.shownAs, segmentName(segment))
    this.#options.onFinding({ severity, kind, file, range, text })
  }
}

/** Of an index that is no copy of the journal. */
const noPosition: JournalPosition = { segment: 1, offset: segmentHeaderBytes, sequence: 0 }

/** What the bytes behind a damaged head say about the number of the record there. */
function sequencesStated(reader: SegmentReader): number[] {
  if (reader.sizeBytes < segmentHeaderBytes + recordHeaderBytes) return []
  const at = reader.fill(segmentHeaderBytes, recordHeaderBytes)
  const stated = reader.window.readUIntLE(at + 8, 6)
  return stated > 0 ? [stated] : []
}

function hasRecord(reader: SegmentReader, seed: number): boolean {
  if (reader.sizeBytes < segmentHeaderBytes + recordHeaderBytes) return false
  const scan = new RecordScan(reader, seed, segmentHeaderBytes)
  return scan.readHeader() !== 'bad' || scan.findNext()
}

function isForgetting(location: Buffer): boolean {
  try {
    return isNowhere(readLocationValue(location, location.length))
  } catch (error) {
    // Makes no sense: whoever needs it is told.
    if (!isErrno(error, 'EIO')) throw error
    return false
  }
}
