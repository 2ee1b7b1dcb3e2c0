import { Failure } from '../base/failure.js'
import { checkTag } from './tag.js'

const memoBytesMax = 4096
const tagsMax = 64

/** What people may say of a snapshot. Throws a Failure of the kind usage. */
export function checkMemo(memo: string): void {
  if (Buffer.byteLength(memo) <= memoBytesMax) return
  throw new Failure('usage', `the memo is longer than ${memoBytesMax} bytes: shorten it`)
}

export function checkTags(tags: readonly string[]): void {
  checkTagCount(tags)
  tags.forEach(checkTag)
}

export function checkTagCount(tags: readonly string[]): void {
  if (tags.length <= tagsMax) return
  throw new Failure('usage', `a snapshot has at most ${tagsMax} tags: leave some out`)
}
