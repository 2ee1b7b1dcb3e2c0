import { join } from 'node:path'
import type { Disk } from '../disk.js'
import { isElementKey, Table } from '../element-keys.js'
import type { ElementIndex } from '../element-index.js'
import { crc32cOf } from '../checksum.js'
import { checksumBytes } from '../element-values.js'
import { dataName } from '../index-state.js'
import { readU64le } from '../integers.js'
import type { JournalPosition } from '../journal.js'
import { putHeaderBytes, valueStartOfPut, writePutHeader } from '../puts.js'
import { IndexDamage, visitIndexPages } from './index-pages.js'
import { PutBatch } from './put-batch.js'

/** What the index that lies there says, compared with what the journal says up to the same place. */
export interface IndexComparison {
  /** Undefined: its pages make sense. */
  damage: IndexDamage | undefined
  entries: number
  /** With a wrong checksum. */
  badValues: number
  /** Of the journal, and not in the index: a sweep may have taken them away. */
  lacking: number
  /** In the index, and not, or otherwise, in what could be read of the journal. */
  beyond: number
}

/** Ends a visit that has seen enough. */
class Enough extends Error {}

/** Up to where in the journal all is in the index; undefined if it can't be told. */
export function checkpointOf(disk: Disk, indexDirectory: string): JournalPosition | undefined {
  const path = join(indexDirectory, dataName)
  if (disk.stat(path) === undefined) return undefined
  let found: JournalPosition | undefined
  try {
    visitIndexPages(disk, path, (key, value) => {
      if (isCheckpoint(key) && isSealed(key, value) && value.length === 28) {
        found = {
          segment: value.readUInt32LE(0),
          offset: readU64le(value, 8),
          sequence: readU64le(value, 16),
        }
      }
      // It is the first of all.
      throw new Enough()
    })
  } catch (error) {
    if (!(error instanceof Enough || error instanceof IndexDamage)) throw error
  }
  return found
}

/**
 * Compares the index in `directory` with `journal`, one that was made from the journal up to the same place. What
 * the one alone has goes to `onBeyond`, what the other alone has to `onLacking`, as puts.
 */
export function compareIndex(
  disk: Disk,
  directory: string,
  journal: ElementIndex,
  onBeyond: (put: Buffer) => void,
  onLacking: (put: Buffer) => void,
): IndexComparison {
  const found: IndexComparison = {
    damage: undefined,
    entries: 0,
    badValues: 0,
    lacking: 0,
    beyond: 0,
  }
  const cursor = journal.seek(Buffer.of(Table.names))
  const passLacking = (key: Buffer | undefined) => {
    while (!cursor.isAtEnd && (key === undefined || cursor.key.compare(key) < 0)) {
      found.lacking++
      onLacking(putOf(cursor.key, cursor.value))
      cursor.advance()
    }
  }
  try {
    visitIndexPages(disk, join(directory, dataName), (key, value) => {
      if (isCheckpoint(key)) return
      found.entries++
      passLacking(key)
      const isInBoth = !cursor.isAtEnd && cursor.key.equals(key)
      const isSame = isInBoth && cursor.value.equals(value)
      if (!isSame && !(isElementKey(key, 0, key.length) && isSealed(key, value))) found.badValues++
      else if (!isSame) {
        found.beyond++
        onBeyond(putOf(key, value))
      }
      if (isInBoth) cursor.advance()
    })
    passLacking(undefined)
  } catch (error) {
    if (!(error instanceof IndexDamage)) throw error
    found.damage = error
  }
  return found
}

/** Copies every put of one index into another. */
export function addAll(from: ElementIndex, to: ElementIndex, position: JournalPosition): void {
  const batch = new PutBatch(to)
  for (const put of everyPut(from)) batch.add(put, 0, put.length, position)
  batch.finish(position)
}

/** Every entry of an index, as a put. */
export function* everyPut(index: ElementIndex): Generator<Buffer> {
  const cursor = index.seek(Buffer.of(Table.names))
  while (!cursor.isAtEnd) {
    yield putOf(cursor.key, cursor.value)
    cursor.advance()
  }
}

/** Of a put that is alone. */
export function keyOfPut(put: Buffer): Buffer {
  return put.subarray(putHeaderBytes, valueStartOfPut(put, 0))
}

function putOf(key: Buffer, value: Buffer): Buffer {
  const put = Buffer.allocUnsafe(putHeaderBytes + key.length + value.length)
  writePutHeader(put, 0, key.length, value.length)
  key.copy(put, putHeaderBytes)
  value.copy(put, putHeaderBytes + key.length)
  return put
}

function isCheckpoint(key: Buffer): boolean {
  return key.length === 1 && key[0] === Table.meta
}

function isSealed(key: Buffer, value: Buffer): boolean {
  const end = value.length - checksumBytes
  if (end < 0) return false
  return value.readUInt32LE(end) === crc32cOf(value, 0, end, crc32cOf(key, 0, key.length, 0))
}
