import { isKept } from '../base/rules.js'
import { crc32cOf } from './checksum.js'
import { Table } from './element-keys.js'
import { checksumBytes, readChunkValue } from './element-values.js'
import { arePutsSound, endOfPut, putHeaderBytes, valueStartOfPut } from './puts.js'
import { readRecordHeader, recordHeaderBytes, recordMagic, type RecordHeader } from './record.js'
import type { SegmentReader } from './segment-reader.js'

const noHeader: RecordHeader = {
  sequence: 0,
  durableSequence: 0,
  bodyBytes: 0,
  dataBytes: 0,
  bodyCrc: 0,
  kind: 'change',
}

const magicBytes = Buffer.alloc(4)
magicBytes.writeUInt32LE(recordMagic)

/** Walks over the records of one segment and says what is right about each; decides nothing. */
export class RecordScan {
  readonly #reader: SegmentReader
  readonly #seed: number
  readonly #end: number
  #offset: number
  #header: RecordHeader = noHeader

  /** From the record at `offset` to `end` of the file. */
  constructor(reader: SegmentReader, seed: number, offset: number, end = reader.sizeBytes) {
    this.#reader = reader
    this.#seed = seed
    this.#offset = offset
    this.#end = end
  }

  /** Where the current record starts. */
  get offset(): number {
    return this.#offset
  }

  /** Valid after readHeader said 'whole'. */
  get header(): RecordHeader {
    return this.#header
  }

  get recordEnd(): number {
    const { bodyBytes, dataBytes } = this.#header
    return this.#offset + recordHeaderBytes + bodyBytes + dataBytes
  }

  /** 'cut': the file ends inside the record. 'bad': no record of this segment starts here. */
  readHeader(): 'whole' | 'cut' | 'bad' | 'end' {
    if (this.#offset === this.#end) return 'end'
    if (this.#offset + recordHeaderBytes > this.#end) return 'cut'
    const at = this.#reader.fill(this.#offset, recordHeaderBytes)
    const header = readRecordHeader(this.#reader.window, at, this.#seed)
    if (header === undefined) return 'bad'
    this.#header = header
    return this.recordEnd > this.#end ? 'cut' : 'whole'
  }

  /** Where the body is in the reader's window, or undefined if it is damaged. */
  readBody(): number | undefined {
    const { bodyBytes, bodyCrc } = this.#header
    const at = this.#reader.fill(this.#offset + recordHeaderBytes, bodyBytes)
    const end = at + bodyBytes
    const { window } = this.#reader
    const isSound = crc32cOf(window, at, end, this.#seed) === bodyCrc || !isKept('record.body')
    return isSound && arePutsSound(window, at, end) ? at : undefined
  }

  /** Whether the chunk bytes of the record, whose body is sound, are the ones that were written. */
  isDataSound(): boolean {
    const { bodyBytes, dataBytes } = this.#header
    if (dataBytes === 0) return true
    const dataStart = this.recordEnd - dataBytes
    const body = this.#reader.fill(this.#offset + recordHeaderBytes, bodyBytes)
    const { window } = this.#reader
    // The runs lie one behind the other, so each byte is looked at once.
    let position = dataStart
    for (let at = body; at < body + bodyBytes; at = endOfPut(window, at)) {
      if (window[at + putHeaderBytes] !== Table.chunks) continue
      const value = window.subarray(valueStartOfPut(window, at), endOfPut(window, at))
      const place = readChunkValue(value, value.length - checksumBytes)
      if (place.dataBytes === 0) continue
      if (place.dataOffset < position) return false
      position = place.dataOffset + place.dataBytes
      if (position > this.recordEnd) return false
      if (this.#reader.checksum(place.dataOffset, place.dataBytes) !== place.crc) return false
    }
    return true
  }

  next(): void {
    this.#offset = this.recordEnd
  }

  /** Goes to the next place after this one where a whole header stands; false if there is none. */
  findNext(): boolean {
    for (;;) {
      const found = this.#reader.find(magicBytes, this.#offset + 1)
      if (found < 0 || found + recordHeaderBytes > this.#end) return false
      this.#offset = found
      if (this.readHeader() !== 'bad') return true
    }
  }
}
