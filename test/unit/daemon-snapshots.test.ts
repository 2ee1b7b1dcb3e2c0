import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { takeSnapshots } from '../../src/daemon/snapshots.js'
import { checkTag } from '../../src/daemon/tag.js'
import { Catalog } from '../../src/store/catalog.js'
import { plainSnapshotName } from '../../src/store/snapshot-name.js'
import type { SnapshotRecord } from '../../src/store/snapshot-record.js'

const noon = Date.UTC(2026, 10, 21, 12, 0, 0)

function world() {
  const directory = mkdtempSync(join(tmpdir(), 'snapshots-'))
  onTestFinished(() => {
    rmSync(directory, { recursive: true })
  })
  const catalog = Catalog.open(directory, { create: true })
  const events: string[] = []
  const add = (name: string) => {
    const { id } = catalog.addVolume({
      name,
      origin: `/${name}`,
      kind: 'tree',
      chunkBytes: 65536,
      createdAtMs: 0,
    })
    const thread = {
      hold: () => {
        events.push(`hold ${name}`)
        return Promise.resolve()
      },
      release: () => {
        events.push(`release ${name}`)
      },
      cut: (record: SnapshotRecord) => {
        // What the thread hears of is in the catalog by then.
        const isThere = catalog.volumeById(id)?.snapshots.at(-1)?.name === record.name
        events.push(`cut ${name} ${record.label} ${isThere ? 'committed' : 'too early'}`)
        return Promise.resolve()
      },
    }
    const flush = () => {
      events.push(`flush ${name}`)
      return Promise.resolve()
    }
    return { id, thread, flush }
  }
  return { catalog, events, add }
}

const at = (ms: number) => () => new Date(ms)
const plain = { memo: '', tags: [] }

test('volumes cut together get one name, later than any they have, and labels of their own', async () => {
  const { catalog, events, add } = world()
  const [a, b] = [add('a'), add('b')]
  await takeSnapshots(catalog, [a], plain, at(noon + 5000))
  events.length = 0
  const records = await takeSnapshots(catalog, [b, a], plain, at(noon))
  expect(records.map(({ name, label }) => [name, label])).toEqual([
    ['@GMT-2026.11.21-12.00.06', 1],
    ['@GMT-2026.11.21-12.00.06', 2],
  ])
  expect(events).toEqual([
    'flush b',
    'flush a',
    'hold b',
    'hold a',
    'cut b 1 committed',
    'cut a 2 committed',
  ])
})

test('a volume that cannot be flushed keeps the snapshot from being taken, and none is held', async () => {
  const { catalog, events, add } = world()
  const stuck = { ...add('a'), flush: () => Promise.reject(new Error('stuck')) }
  await expect(takeSnapshots(catalog, [stuck], plain, at(noon))).rejects.toThrow('stuck')
  expect(events).toEqual([])
  expect(catalog.volumeById(stuck.id)?.snapshots).toEqual([])
})

test('snapshots in one second are a second apart', async () => {
  const { catalog, add } = world()
  const a = add('a')
  for (let count = 0; count < 3; count++) await takeSnapshots(catalog, [a], plain, at(noon + 1))
  expect(catalog.volumeById(a.id)?.snapshots.map(({ name }) => name.slice(-8))).toEqual([
    '12.00.00',
    '12.00.01',
    '12.00.02',
  ])
})

test.each([
  ['a taken tag', { memo: '', tags: ['x'] }, 'exists'],
  ['a tag that is none', { memo: '', tags: ['../x'] }, 'usage'],
  ['a memo too long', { memo: 'ä'.repeat(2049), tags: [] }, 'usage'],
  ['too many tags', { memo: '', tags: Array.from({ length: 65 }, (_, n) => `t${n}`) }, 'usage'],
])('%s is refused before any volume is held', async (_, words, kind) => {
  const { catalog, events, add } = world()
  const a = add('a')
  await takeSnapshots(catalog, [a], { memo: 'ä'.repeat(2048), tags: ['x', 'x'] }, at(noon))
  events.length = 0
  const refused = takeSnapshots(catalog, [a], words, at(noon))
  await expect(refused).rejects.toMatchObject({ kind })
  expect(events).toEqual([])
  expect(catalog.volumeById(a.id)?.snapshots.map(({ tags }) => tags)).toEqual([['x']])
})

test('a volume that is named twice is refused: it could not be held twice', async () => {
  const { catalog, events, add } = world()
  const a = add('a')
  const refused = takeSnapshots(catalog, [a, a], plain, at(noon))
  await expect(refused).rejects.toMatchObject({ kind: 'usage' })
  expect(events).toEqual([])
})

test.each(['release-1.2', 'täg', 'a b', 'x@y', '20-26', 'a'.repeat(255)])(
  '%j may be a tag',
  (tag) => {
    expect(() => {
      checkTag(tag)
    }).not.toThrow()
  },
)

test.each(['', '2026', 'latest', 'first', '.x', '@x', '-x', 'a/b', 'a\0b', 'ä'.repeat(128)])(
  '%j may be no tag',
  (tag) => {
    expect(() => {
      checkTag(tag)
    }).toThrow("can't be a tag")
  },
)

test('the plain name of a snapshot has no characters that SMB clients stumble over', () => {
  expect(plainSnapshotName('@GMT-2026.11.21-09.30.00')).toBe('2026-11-21_09.30.00')
})
