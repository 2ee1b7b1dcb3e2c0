import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ByteString } from '../../src/base/bytes.js'
import { Attributes } from '../../src/base/attributes.js'
import type { Label, ObjectId } from '../../src/base/ids.js'
import type { StoreFinding } from '../../src/store/check/finding.js'
import { StoreCheck } from '../../src/store/check/store-check.js'
import { LiveLabels } from '../../src/store/live-labels.js'
import { realDisk } from '../../src/store/real-disk.js'
import { VolumeStore } from '../../src/store/volume-store.js'

const first = 1 as Label
const second = 2 as Label
const number = 50 as ObjectId
const parent = 2 as ObjectId
const nothing = { isRetired: false, places: [], bornAfter: 0, writtenAt: 0 } as const

describe('a check of a store', () => {
  let top: string
  beforeEach(() => {
    top = mkdtempSync(join(tmpdir(), 'bygone-check-'))
  })
  afterEach(() => {
    rmSync(top, { recursive: true })
  })

  function findings(): StoreFinding[] {
    const found: StoreFinding[] = []
    const check = new StoreCheck({
      disk: realDisk,
      directory: join(top, 'volume'),
      scratchDirectory: join(top, 'scratch'),
      bootId: 'one',
      withData: true,
      snapshots: [{ label: first }, { label: second }],
      labelLast: second,
      onFinding: (finding) => found.push(finding),
      onProgress: () => undefined,
    })
    check.judgeSuspects(() => true)
    check.close()
    // No session was begun here, which it says too.
    return found.filter(({ kind }) => kind !== 'sessions')
  }

  function open(): VolumeStore {
    return VolumeStore.open({
      directory: join(top, 'volume'),
      durability: 'ordered',
      bootId: 'one',
    })
  }

  /** A directory that had the number was removed for good and swept; then a file got its number. */
  function numberComesAgain(store: VolumeStore, isSwept: boolean): void {
    const attributes = Object.assign(new Attributes(), { mode: 0o040755 })
    const change = store.change()
    change.addAttributes(number, first, { attributes, xattrs: [], sizeMaxBytes: 0, bornAfter: 0 })
    change.addName(number, 'below' as ByteString, first, { object: 0, type: 0 })
    store.commit(change)
    if (isSwept) {
      change.addLocation(number, nothing)
      store.commit(change)
    }
    store.indexPending()
    store.sweep(new LiveLabels([first])).purge(number, first, 100)
    const places = [{ parent, name: 'again' as ByteString }]
    change.addLocation(number, { isRetired: true, places, bornAfter: first, writtenAt: second })
    store.commit(change)
    store.close()
  }

  test('does not miss what was said of a removed file whose number has come again', () => {
    numberComesAgain(open(), true)
    expect(findings()).toEqual([])
  })

  test('misses what was taken from the index of a file that was never removed', () => {
    numberComesAgain(open(), false)
    expect(findings()).toMatchObject([{ severity: 'damage', kind: 'index-entry' }])
  })
})
