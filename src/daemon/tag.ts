import { Failure } from '../base/failure.js'

const tagBytesMax = 255

/** Words and numbers that stand for a snapshot where one is to be named, and the plain names of `.snapshots/`. */
const taken = /^(latest|first|\d+|\d{4}-\d{2}-\d{2}_\d{2}\.\d{2}\.\d{2})$/

/** A tag is a name below `.snapshots/` and a word on a command line. */
export function checkTag(tag: string): void {
  const isName = /^[^/@.\p{Cc}-][^/\p{Cc}]*$/u.test(tag) && Buffer.byteLength(tag) <= tagBytesMax
  if (isName && !taken.test(tag)) return
  const advice = `use letters first, no slash, and no word that stands for a snapshot already`
  throw new Failure('usage', `'${tag}' can't be a tag: ${advice}`)
}
