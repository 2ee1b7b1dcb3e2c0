import { mkdirSync, readdirSync, renameSync, rmdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { FsError } from '../../src/base/errno.js'
import { journalStart } from '../../src/store/journal.js'
import { realDisk } from '../../src/store/real-disk.js'
import { putHeaderBytes, writePutHeader } from '../../src/store/puts.js'
import { temporaryDirectory } from '../support/store-fixture.js'

/** An element with a key and a value of one byte each. */
function putOf(key: number, value: number): Buffer {
  const put = Buffer.alloc(putHeaderBytes + 2)
  writePutHeader(put, 0, 1, 1)
  put.set([key, value], putHeaderBytes)
  return put
}

test('an index that has become empty for the most part gives its pages back, and has all that it had', () => {
  const directory = temporaryDirectory()
  const file = join(directory, 'data.mdb')
  const index = realDisk.openIndex(directory)
  const count = 60_000
  const keyOf = (at: number) => Buffer.from([3, at >> 16, (at >> 8) & 0xff, at & 0xff])
  const valueOf = (at: number) => Buffer.alloc(120, at % 251)
  const entryBytes = putHeaderBytes + 4 + 120
  const put = (from: number, to: number) => {
    const puts = Buffer.alloc((to - from) * entryBytes)
    for (let at = from; at < to; at++) {
      const start = (at - from) * entryBytes
      writePutHeader(puts, start, 4, 120)
      keyOf(at).copy(puts, start + putHeaderBytes)
      valueOf(at).copy(puts, start + putHeaderBytes + 4)
    }
    index.apply({ entries: to - from, bytes: puts.length }, (take) => {
      take(puts, 0, puts.length)
      return journalStart
    })
  }
  const isKept = (at: number) => at % 20 === 0
  put(0, count)
  index.apply({ entries: count, bytes: 0 }, (_put, remove) => {
    for (let at = 0; at < count; at++) if (!isKept(at)) remove(keyOf(at))
    return journalStart
  })
  const before = statSync(file).size
  index.shrink()
  expect(statSync(file).size).toBeLessThan(before / 4)
  put(count, count + 1000)
  expect(index.checkpoint()).toEqual(journalStart)
  for (let at = 0; at < count + 1000; at++) {
    const found = index.get(keyOf(at))
    expect(found?.equals(valueOf(at))).toBe(isKept(at) || at >= count ? true : undefined)
  }
  // There is nothing to gain now.
  const { ino } = statSync(file)
  index.shrink()
  expect(statSync(file).ino).toBe(ino)
  index.close()
  expect(readdirSync(directory)).toEqual(['data.mdb'])
})

test('an index whose file can not be written refuses as a file system does, and goes on later', () => {
  const directory = temporaryDirectory()
  const index = realDisk.openIndex(directory)
  const apply = (key: number) => {
    index.apply({ entries: 1, bytes: putHeaderBytes + 2 }, (put) => {
      put(putOf(key, key), 0, putHeaderBytes + 2)
      return journalStart
    })
  }
  apply(5)
  const file = join(directory, 'data.mdb')
  renameSync(file, `${file}.aside`)
  mkdirSync(file)
  let refusal: unknown
  try {
    apply(6)
  } catch (error) {
    refusal = error
  }
  expect(refusal).toBeInstanceOf(FsError)
  expect(refusal).toMatchObject({ code: 'EISDIR' })
  rmdirSync(file)
  renameSync(`${file}.aside`, file)
  apply(6)
  expect(index.get(Buffer.of(5))).toEqual(Buffer.of(5))
  expect(index.get(Buffer.of(6))).toEqual(Buffer.of(6))
  index.close()
})
