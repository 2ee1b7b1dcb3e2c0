import { checked, fsErrorOf } from '../base/errno.js'
import type { Native } from '../base/native.js'
import { Fallocate, Seek } from '../base/open-flags.js'

const pieceBytes = 1 << 20
const blockBytes = 4096

/** A change that brings a file nearer to another: all of them in turn make it equal, and leave it no data where that has holes. */
export type DataChange =
  | { kind: 'write'; offset: number; bytes: Buffer }
  | { kind: 'punch'; offset: number; length: number }
  | { kind: 'size'; size: number }

/**
 * What must be done to the file `to` so that it holds what `from` holds. Each change must be made before the next
 * is asked for, or none of them. `bytes` are valid until then.
 */
export function* dataChanges(
  native: Native,
  from: { fd: number; size: number },
  to: { fd: number; size: number },
): Generator<DataChange> {
  if (to.size > from.size) yield { kind: 'size', size: from.size }
  const shared = Math.min(from.size, to.size)
  const past = Buffer.allocUnsafe(pieceBytes)
  const live = Buffer.allocUnsafe(pieceBytes)
  for (let at = 0; at < from.size;) {
    const data = next(native, from.fd, at, Seek.data, from.size)
    // What is beyond the end of the other file will be a hole there.
    const holeEnd = Math.min(data, shared)
    if (at < holeEnd && next(native, to.fd, at, Seek.data, holeEnd) < holeEnd) {
      yield { kind: 'punch', offset: at, length: holeEnd - at }
    }
    const end = next(native, from.fd, data, Seek.hole, from.size)
    for (at = data; at < end;) {
      const length = Math.min(pieceBytes, end - at)
      const got = checked(native.readAt(from.fd, past.subarray(0, length), at), 'read the snapshot')
      if (got < length) throw fsErrorOf(-5, 'the snapshot of a file is shorter than it says')
      yield* pieceChanges(native, past.subarray(0, length), at, to, live)
      at += length
    }
    at = end
  }
  if (to.size < from.size) yield { kind: 'size', size: from.size }
}

export function makeDataChange(native: Native, fd: number, change: DataChange): void {
  switch (change.kind) {
    case 'write':
      checked(native.writeAt(fd, change.bytes, change.offset), 'write')
      break
    case 'size':
      checked(native.truncatePath(fd, change.size), 'set the size')
      break
    case 'punch':
      punch(native, fd, change.offset, change.length)
      break
  }
}

/**
 * Whether it changes what is read. A file system may make data of a hole that it has set blocks aside for, at any
 * time: that alone is no difference.
 */
export function changesContent(native: Native, fd: number, change: DataChange): boolean {
  if (change.kind !== 'punch') return true
  const buffer = Buffer.allocUnsafe(Math.min(change.length, pieceBytes))
  for (let done = 0; done < change.length;) {
    const part = buffer.subarray(0, Math.min(buffer.length, change.length - done))
    const got = checked(native.readAt(fd, part, change.offset + done), 'read the live file')
    if (got === 0) return false
    if (!part.subarray(0, got).equals(Buffer.alloc(got))) return true
    done += got
  }
  return false
}

/** The runs of blocks that are other ones. */
function* pieceChanges(
  native: Native,
  past: Buffer,
  offset: number,
  to: { fd: number; size: number },
  buffer: Buffer,
): Generator<DataChange> {
  const length = Math.max(Math.min(past.length, to.size - offset), 0)
  const live = buffer.subarray(0, length)
  const got = length === 0 ? 0 : checked(native.readAt(to.fd, live, offset), 'read the live file')
  if (got === past.length && past.equals(live)) return
  let start = -1
  for (let at = 0; at <= past.length; at += blockBytes) {
    const isDifferent = at < past.length && !isSameBlock(past, live, got, at)
    if (isDifferent && start < 0) start = at
    if (isDifferent || start < 0) continue
    yield {
      kind: 'write',
      offset: offset + start,
      bytes: past.subarray(start, Math.min(at, past.length)),
    }
    start = -1
  }
  if (start >= 0) yield { kind: 'write', offset: offset + start, bytes: past.subarray(start) }
}

function isSameBlock(past: Buffer, live: Buffer, liveBytes: number, at: number): boolean {
  const end = Math.min(at + blockBytes, past.length)
  return end <= liveBytes && past.subarray(at, end).equals(live.subarray(at, end))
}

/** The next data or hole from `offset` on, `end` at most. */
function next(native: Native, fd: number, offset: number, whence: number, end: number): number {
  if (offset >= end) return end
  const found = native.seek(fd, offset, whence)
  if (found >= 0) return Math.min(found, end)
  const error = fsErrorOf(found, 'seek')
  if (error.code === 'ENXIO') return end
  // No holes are known there: all is data.
  if (error.code === 'EINVAL' || error.code === 'EOPNOTSUPP') {
    return whence === Seek.data ? offset : end
  }
  throw error
}

function punch(native: Native, fd: number, offset: number, length: number): void {
  const mode = Fallocate.punchHole | Fallocate.keepSize
  const result = native.fallocate(fd, mode, offset, length)
  if (result >= 0) return
  const error = fsErrorOf(result, 'punch a hole')
  if (error.code !== 'EOPNOTSUPP') throw error
  const piece = Buffer.alloc(Math.min(length, pieceBytes))
  for (let at = 0; at < length; at += piece.length) {
    const part = piece.subarray(0, Math.min(piece.length, length - at))
    checked(native.writeAt(fd, part, offset + at), 'write zeros')
  }
}
