import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { FileLock } from '../../src/store/file-lock.js'
import { realDisk } from '../../src/store/real-disk.js'
import { VolumeStore } from '../../src/store/volume-store.js'
import { compileStorePrograms, StoreProcess } from '../support/store-process.js'
import { openStore, temporaryDirectory } from '../support/store-fixture.js'

const refused = expect.objectContaining({ kind: 'failed' }) as Error

describe('a volume that is open', () => {
  compileStorePrograms()
  let directory: string

  beforeEach(() => {
    directory = join(temporaryDirectory(), 'volume')
  })

  test('can not be opened again in the same process', () => {
    const store = openStore(directory)
    expect(() => openStore(directory)).toThrow(refused)
    expect(() => openStore(directory)).toThrow(new RegExp(`in use by process ${process.pid}`))
    store.close()
    openStore(directory).close()
  })

  test('can not be opened by another process, until that one is gone however it died', async () => {
    const child = new StoreProcess({ directory: dirname(directory), end: 1 })
    await child.said('end')
    expect(() => openStore(directory)).toThrow(refused)
    await child.kill()
    openStore(directory).close()
  })

  test('is free again after an attempt that failed', () => {
    openStore(directory).close()
    const segment = join(directory, 'journal', '00000001.seg')
    const whole = readFileSync(segment)
    writeFileSync(segment, 'rubbish')
    expect(() => openStore(directory)).toThrow(/damaged journal/)
    writeFileSync(segment, whole)
    openStore(directory).close()
  })

  test('may be closed twice', () => {
    const store = openStore(directory)
    store.close()
    store.close()
  })
})

describe('a volume that can not be opened', () => {
  test('because its directory is a file', () => {
    const directory = join(temporaryDirectory(), 'volume')
    writeFileSync(directory, '')
    expect(() => openStore(directory)).toThrow(refused)
  })

  test('because its id is none', () => {
    expect(() => openStore(join(temporaryDirectory(), 'a b'))).toThrow(refused)
    expect(() => openStore(join(temporaryDirectory(), 'x'.repeat(33)))).toThrow(refused)
  })

  test('because a link stands where its lock is: what it leads to stays as it was', () => {
    const root = temporaryDirectory()
    const victim = join(root, 'victim')
    writeFileSync(victim, 'precious')
    mkdirSync(join(root, 'volume'))
    symlinkSync(victim, join(root, 'volume', 'lock'))
    expect(() => openStore(join(root, 'volume'))).toThrow(refused)
    expect(readFileSync(victim, 'utf8')).toBe('precious')
  })

  test('is called in messages what people call it', () => {
    const directory = join(temporaryDirectory(), 'volume')
    writeFileSync(directory, '')
    const open = (): VolumeStore =>
      VolumeStore.open({ directory, durability: 'ordered', shownAs: '/srv/docs' })
    expect(open).toThrow(/open the volume in \/srv\/docs/)
  })
})

describe('a lock', () => {
  test('is on the file, whatever the path to it', () => {
    const root = temporaryDirectory()
    const lock = FileLock.acquire(realDisk, join(root, 'lock'), 'the store')
    expect(() => FileLock.acquire(realDisk, join(root, '.', 'lock'), 'the store')).toThrow(
      /the store is in use/,
    )
    lock.release()
    lock.release()
    FileLock.acquire(realDisk, join(root, 'lock'), 'the store').release()
  })
})
