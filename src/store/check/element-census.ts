import type { ObjectId } from '../../base/ids.js'
import { objectOfKey, Table } from '../element-keys.js'
import type { ElementIndex } from '../element-index.js'

/** How many entries of an index are of objects that no snapshot sees. */
export function countUnreachable(
  index: ElementIndex,
  isReached: (object: ObjectId) => boolean,
): number {
  let count = 0
  const cursor = index.seek(Buffer.of(Table.names))
  while (!cursor.isAtEnd) {
    if (!isReached(objectOfKey(cursor.key, 0))) count++
    cursor.advance()
  }
  return count
}
