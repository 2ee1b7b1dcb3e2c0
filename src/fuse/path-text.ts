import type { ByteString } from '../base/bytes.js'
import { bytesOf, byteStringOfText, textOf } from '../base/bytes.js'
import { FsError } from '../base/errno.js'

/** PathNodes' form of a path. */
export function pathOf(path: string): ByteString {
  return path === '/' ? ('' as ByteString) : bytesOfText(path)
}

/**
 * Fuse-native hands over text: bytes that are not UTF-8 have become U+FFFD on their way, and can't be told
 * from it, so such a name is never taken for another one.
 */
export function bytesOfText(text: string): ByteString {
  if (text.includes('\ufffd')) throw new FsError('EINVAL', 'a name that is not UTF-8')
  return byteStringOfText(text)
}

export function unchangedText(bytes: ByteString): string {
  const text = textOf(bytes)
  if (!Buffer.from(text).equals(bytesOf(bytes))) {
    throw new FsError('EINVAL', 'a symlink whose target is not UTF-8')
  }
  return text
}
