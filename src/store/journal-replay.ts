import { join } from 'node:path'
import { faultPoint } from '../base/fault-point.js'
import { isKept } from '../base/rules.js'
import type { Disk } from './disk.js'
import type { ElementIndex } from './element-index.js'
import type { JournalPosition } from './journal.js'
import { putHeaderBytes } from './puts.js'
import { comesAfter } from './record.js'
import { RecordScan } from './record-scan.js'
import { damagedJournal, openSegment, segmentHeaderBytes, segmentName } from './segment.js'
import { SegmentReader } from './segment-reader.js'

/** How much goes into one transaction: LMDB holds what it changes in memory until the commit. */
const batchBytes = 4 << 20

/**
 * Applies the records between two positions to the index; returns how many. Any record that is not
 * sound is damage.
 */
export function replay(
  disk: Disk,
  directory: string,
  volumeId: string,
  from: JournalPosition,
  to: JournalPosition,
  index: Pick<ElementIndex, 'apply'>,
): number {
  let position = from
  while (position.segment < to.segment || position.offset < to.offset) {
    position = replaySegment(disk, directory, volumeId, position, to, index)
  }
  if (position.sequence !== to.sequence && isKept('record.sequence')) {
    const path = join(directory, segmentName(to.segment))
    throw damagedJournal(path, 0, `does not follow record ${position.sequence}`)
  }
  return to.sequence - from.sequence
}

/** To the end of the segment of `from`, or to `to`. Returns where to go on. */
function replaySegment(
  disk: Disk,
  directory: string,
  volumeId: string,
  from: JournalPosition,
  to: JournalPosition,
  index: Pick<ElementIndex, 'apply'>,
): JournalPosition {
  const path = join(directory, segmentName(from.segment))
  const { fd, header } = openSegment(disk, path, from.segment, volumeId)
  try {
    const reader = new SegmentReader(disk, fd)
    const end = from.segment === to.segment ? to.offset : reader.sizeBytes
    const scan = new RecordScan(reader, header.seed, from.offset, end)
    let { sequence } = from
    while (scan.offset < end) {
      const bytesMax = Math.min(batchBytes, end - scan.offset)
      const size = { entries: bytesMax / putHeaderBytes, bytes: bytesMax }
      index.apply(size, (put) => {
        for (let bytes = 0; scan.offset < end && bytes < batchBytes;) {
          const body = scan.readHeader() === 'whole' ? scan.readBody() : undefined
          const isNext = comesAfter(scan.header, sequence) || !isKept('record.sequence')
          if (body === undefined || !isNext) {
            throw damagedJournal(path, scan.offset, 'damaged record')
          }
          sequence = scan.header.sequence
          put(reader.window, body, body + scan.header.bodyBytes)
          bytes += scan.header.bodyBytes
          scan.next()
        }
        return { segment: from.segment, offset: scan.offset, sequence }
      })
      faultPoint('recovery.batch')
    }
    if (from.segment === to.segment) return { ...to, sequence }
    return { segment: from.segment + 1, offset: segmentHeaderBytes, sequence }
  } finally {
    disk.close(fd)
  }
}
