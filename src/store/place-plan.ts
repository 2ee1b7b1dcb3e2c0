import type { ReadPlan } from '../base/read-plan.js'
import { isKept } from '../base/rules.js'
import type { ChunkPlace } from './elements.js'

/**
 * Plans bytes [skip, skip + length) of a chunk: pieces of its run in `fd`, and holes between and
 * after them.
 */
export function planPlace(
  plan: ReadPlan,
  place: ChunkPlace,
  fd: number,
  skip: number,
  length: number,
): void {
  const end = skip + length
  let position = skip
  let runSkip = 0
  for (let word = 0; word < place.extents.length && position < end; word += 2) {
    const start = place.extents[word] ?? 0
    const extentBytes = place.extents[word + 1] ?? 0
    const extentEnd = start + extentBytes
    if (extentEnd > position) {
      if (start > position) {
        const holeEnd = Math.min(start, end)
        plan.addHole(holeEnd - position)
        position = holeEnd
      }
      const pieceEnd = Math.min(extentEnd, end)
      if (pieceEnd > position) {
        const skipInRun = runSkip + position - start
        if (!isKept('chunk.checksum')) {
          plan.addFile(fd, place.dataOffset + skipInRun, pieceEnd - position)
        } else
          plan.addRecord(
            fd,
            place.dataOffset,
            place.dataBytes,
            place.crc,
            skipInRun,
            pieceEnd - position,
          )
        position = pieceEnd
      }
    }
    runSkip += extentBytes
  }
  if (position < end) plan.addHole(end - position)
}
