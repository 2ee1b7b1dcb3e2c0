import { Failure } from '../base/failure.js'
import { isPlainWord } from '../version/revision-word.js'

const tagBytesMax = 255

/** The plain names of `.snapshots/`. */
const taken = /^\d{4}-\d{2}-\d{2}_\d{2}\.\d{2}\.\d{2}$/

/**
 * A tag is a name below `.snapshots/` and a word on a command line, where commas lie between tags. It is
 * none of the words, numbers and times that stand for a snapshot already.
 */
export function checkTag(tag: string): void {
  const isName = /^[^/@.,\p{Cc}-][^/,\p{Cc}]*$/u.test(tag) && Buffer.byteLength(tag) <= tagBytesMax
  if (isName && !taken.test(tag) && isPlainWord(tag)) return
  const advice = `use letters first, no slash or comma, and no word that stands for a snapshot already`
  throw new Failure('usage', `'${tag}' can't be a tag: ${advice}`)
}
