import { mkdirSync, renameSync, rmdirSync } from 'node:fs'
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
