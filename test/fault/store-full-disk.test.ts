import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, rmSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { isErrno } from '../../src/base/errno.js'
import { Failure } from '../../src/base/failure.js'
import { Catalog } from '../../src/store/catalog.js'
import type { VolumeStore } from '../../src/store/volume-store.js'
import { describeMount } from '../support/requirements.js'
import { openStore, temporaryDirectory } from '../support/store-fixture.js'
import { commitStep, countSteps, openScratch } from '../support/store-story.js'

const diskBytes = 6 << 20

describeMount('a store on a disk that is full', () => {
  let disk: string
  let scratchFd: number

  beforeEach(() => {
    const root = temporaryDirectory()
    disk = join(root, 'disk')
    mkdirSync(disk)
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${diskBytes}`, 'bygone-test', disk])
    scratchFd = openScratch(root)
    onTestFinished(() => {
      closeSync(scratchFd)
      execFileSync('umount', ['-l', disk])
    })
  })

  const volume = (): string => join(disk, 'volume')
  const ballast = (): string => join(disk, 'ballast')

  /** Takes what is left, or all but `spareBytes`. */
  function fill(spareBytes = 0): void {
    const fd = openSync(ballast(), 'a')
    try {
      const bytes = Buffer.alloc(4096)
      for (;;) writeSync(fd, bytes)
    } catch {
      // Full.
    } finally {
      closeSync(fd)
    }
    const { size } = statSync(ballast())
    execFileSync('truncate', ['-s', String(Math.max(0, size - spareBytes)), ballast()])
  }

  /** Commits steps from `first` on until the disk is full; returns the step that failed. */
  function commitUntilFull(store: VolumeStore, first: number): number {
    for (let step = first; ; step++) {
      try {
        commitStep(store, step, scratchFd)
      } catch (error) {
        if (isErrno(error, 'ENOSPC')) return step
        throw error
      }
    }
  }

  function expectSteps(store: VolumeStore, failedStep: number): void {
    // Of the step that failed the change may be there, without its chunk.
    expect(countSteps(store).whole).toBe(failedStep)
  }

  test('says so, keeps what it has, and goes on when there is space again', () => {
    const store = openStore(volume())
    let next = 0
    for (let round = 0; round < 5; round++) {
      fill(300_000 + round * 4096)
      next = commitUntilFull(store, next)
      expectSteps(store, next)
      // Still full, and still right.
      expect(commitUntilFull(store, next)).toBe(next)
      expectSteps(store, next)
      rmSync(ballast())
      commitStep(store, next, scratchFd)
      next++
      expectSteps(store, next)
    }
    store.close()
    const again = openStore(volume())
    expectSteps(again, next)
  })

  test('can be read while nothing more fits, pending or indexed', () => {
    const store = openStore(volume())
    for (let step = 0; step < 20; step++) commitStep(store, step, scratchFd)
    store.indexPending()
    for (let step = 20; step < 40; step++) commitStep(store, step, scratchFd)
    fill()
    expectSteps(store, commitUntilFull(store, 40))
    try {
      store.indexPending()
    } catch (error) {
      expect(isErrno(error, 'ENOSPC')).toBe(true)
    }
    expect(countSteps(store).whole).toBeGreaterThanOrEqual(40)
    rmSync(ballast())
    store.indexPending()
    expect(store.stats().indexEntriesPending).toBe(0)
    expect(countSteps(store).whole).toBeGreaterThanOrEqual(40)
  })

  test('can be closed, and is whole when it is opened with space', () => {
    const store = openStore(volume())
    for (let step = 0; step < 60; step++) commitStep(store, step, scratchFd)
    fill()
    store.close()
    // Opening needs a little space: it says so, or does without.
    try {
      openStore(volume()).close()
    } catch (error) {
      expect(error).toBeInstanceOf(Failure)
      expect(error).toMatchObject({ kind: 'full' })
    }
    rmSync(ballast())
    expectSteps(openStore(volume()), 60)
  })

  test('that fills while a segment is begun goes on in the same one', () => {
    const store = openStore(volume(), { segmentBytesMax: 1 << 16 })
    let next = 0
    for (let spare = 0; spare < 20; spare++) {
      fill(70_000 + spare * 4096)
      next = commitUntilFull(store, next)
      rmSync(ballast())
      expectSteps(store, next)
    }
    store.close()
    expectSteps(openStore(volume()), next)
  })

  test('keeps the catalog it had, and takes a few snapshots more', () => {
    const directory = join(disk, 'store')
    const catalog = Catalog.open(directory, { create: true })
    const volumes = { kind: 'tree', chunkBytes: 65536, createdAtMs: 1 } as const
    catalog.addVolume({ name: 'docs', origin: '/srv/docs', ...volumes })
    fill()
    let count = 1
    const add = () => {
      const name = `volume ${count}`
      catalog.addVolume({ name, origin: `/srv/${name}`, ...volumes })
      count++
    }
    const addMany = () => {
      for (let left = 1000; left > 0; left--) add()
    }
    expect(addMany).toThrow(expect.objectContaining({ kind: 'full' }))
    // What a snapshot with the longest memo takes is there also when nothing is left.
    const snapshotBytesMax = 24 << 10
    expect(statSync(join(directory, 'catalog.json')).size).toBeGreaterThan(snapshotBytesMax)
    expect(catalog.volumes()).toHaveLength(count)
    expect(Catalog.open(directory, { create: false }).volumes()).toEqual(catalog.volumes())
    rmSync(ballast())
    add()
    expect(Catalog.open(directory, { create: false }).volumes()).toHaveLength(count)
  })
})
