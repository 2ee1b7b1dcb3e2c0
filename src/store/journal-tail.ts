import { isKept } from '../base/rules.js'
import type { JournalPosition } from './journal.js'
import { comesAfter } from './record.js'
import { RecordScan } from './record-scan.js'
import { damagedJournal, type SegmentHeader } from './segment.js'
import type { SegmentReader } from './segment-reader.js'

/** What is known before the journal is read. */
export interface TailKnowledge {
  /** Every record up to this one was on the disk. */
  durableSequence: number
  /**
   * What the last writer may have left at the end. 'nothing': it closed the volume. 'cut record':
   * it was killed, the machine has run on. 'anything': the machine has restarted, and what was not
   * synced may be lost in any part.
   */
  left: 'nothing' | 'cut record' | 'anything'
}

interface Doubt {
  offset: number
  /** Of the record that should stand there. */
  sequence: number
  what: 'cut' | 'bad' | 'data'
}

/**
 * Finds where the newest segment's valid records end, starting at `start`, and tells a torn tail,
 * which is the end that a crash leaves, from damage.
 *
 * Torn is what the crash could take: after kill -9 a record that the file's end cuts; after a
 * restart of the machine also any record that no later one knows to be durable, with all that
 * follows it. Anything else is damage, and is never cut off: it throws, and changes nothing.
 */
export function findTail(
  path: string,
  reader: SegmentReader,
  segment: SegmentHeader,
  start: JournalPosition,
  known: TailKnowledge,
): JournalPosition {
  const scan = new RecordScan(reader, segment.seed, start.offset)
  // The segment before was synced before this one was begun.
  let durable = Math.max(known.durableSequence, segment.firstSequence - 1)
  let sequence = start.sequence
  const doubts: Doubt[] = []
  for (;;) {
    const what = readRecord(scan, sequence)
    if (what === 'end') break
    if (what !== 'sound') {
      doubts.push({ offset: scan.offset, sequence: sequence + 1, what })
      break
    }
    sequence = scan.header.sequence
    durable = Math.max(durable, scan.header.durableSequence)
    if (known.left === 'anything' && isKept('tail.data') && !scan.isDataSound()) {
      doubts.push({ offset: scan.offset, sequence, what: 'data' })
    }
    scan.next()
  }
  if (doubts.at(-1)?.what === 'bad' && isKept('tail.later-claims'))
    durable = Math.max(durable, durableAfter(scan, sequence + 1))
  return decide(path, segment, { offset: scan.offset, sequence }, doubts, durable, known)
}

/** `before`: the number of the record before. */
function readRecord(scan: RecordScan, before: number): 'sound' | 'cut' | 'bad' | 'end' {
  const header = scan.readHeader()
  if (header === 'end' || header === 'bad') return header
  if (header === 'cut') return 'cut'
  const isNext = comesAfter(scan.header, before) || !isKept('record.sequence')
  return isNext && scan.readBody() !== undefined ? 'sound' : 'bad'
}

/** What the records behind a bad one know to be durable. */
function durableAfter(scan: RecordScan, sequence: number): number {
  let durable = 0
  while (scan.findNext()) {
    if (scan.header.sequence < sequence) continue
    durable = Math.max(durable, scan.header.durableSequence)
  }
  return durable
}

function decide(
  path: string,
  segment: SegmentHeader,
  end: { offset: number; sequence: number },
  doubts: readonly Doubt[],
  durable: number,
  known: TailKnowledge,
): JournalPosition {
  for (const doubt of doubts) {
    const isDurable = doubt.sequence <= durable
    // The record itself is there: its chunks are EIO when they are read, and nothing else is lost.
    if (doubt.what === 'data' && isDurable) continue
    const isTorn =
      known.left === 'anything' || (known.left === 'cut record' && doubt.what === 'cut')
    if (isDurable || !isTorn) {
      throw damagedJournal(path, doubt.offset, `record ${doubt.sequence} is damaged`)
    }
    return { segment: segment.segment, offset: doubt.offset, sequence: doubt.sequence - 1 }
  }
  if (end.sequence < durable) {
    throw damagedJournal(path, end.offset, `record ${end.sequence + 1} is missing`)
  }
  return { segment: segment.segment, ...end }
}
