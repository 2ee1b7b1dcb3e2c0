import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Disk } from '../../src/store/disk.js'
import { Pairing } from '../../src/store/pairing.js'
import { realDisk } from '../../src/store/real-disk.js'
import { DyingDisk } from '../support/dying-disk.js'
import { Random, seedOfThisRun } from '../support/random.js'

describe('the pairing of a store and an origin', () => {
  let top: string
  let store: string
  let origin: string
  const open = (disk: Disk = realDisk) => Pairing.open(disk, store, origin)

  beforeEach(() => {
    top = mkdtempSync(join(tmpdir(), 'bygone-pairing-'))
    store = join(top, 'store')
    origin = join(top, 'origin')
    mkdirSync(store)
    mkdirSync(origin)
  })
  afterEach(() => {
    rmSync(top, { recursive: true })
  })

  test('outlives kills at any step of its renewals', () => {
    const random = new Random(seedOfThisRun())
    open().renew()
    for (let round = 0; round < 300; round++) {
      const disk = new DyingDisk(random.below(20))
      try {
        const pairing = open(disk)
        pairing.renew()
        pairing.renew()
      } catch (error) {
        if (!disk.isDead) throw error
      }
      expect(() => open()).not.toThrow()
    }
  })

  test('a store of another time is refused', () => {
    open().renew()
    const other = join(top, 'other')
    mkdirSync(other)
    Pairing.open(realDisk, other, origin).renew()
    expect(() => open()).toThrow(/not of one time/)
  })
})
