import {
  chmodSync,
  linkSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { Failure } from '../../src/base/failure.js'
import { Catalog } from '../../src/store/catalog.js'
import { formatSnapshotName } from '../../src/store/snapshot-name.js'
import { emptyPolicy } from '../../src/version/retention-policy.js'
import type { SnapshotRecord } from '../../src/store/snapshot-record.js'
import { Random, seedOfThisRun } from '../support/random.js'
import { resealed } from '../support/sealed-file.js'
import { SimDisk } from '../support/simulation/sim-disk.js'
import { label, temporaryDirectory } from '../support/store-fixture.js'

let store: string
let file: string

beforeEach(() => {
  store = join(temporaryDirectory(), 'deep', 'store')
  file = join(store, 'catalog.json')
})

function volumeOf(catalog: Catalog, name = 'docs', origin = '/srv/docs') {
  const createdAtMs = 1_700_000_000_123
  return catalog.addVolume({ name, origin, kind: 'tree', chunkBytes: 65536, createdAtMs })
}

function snapshot(at: number, changed: Partial<SnapshotRecord> = {}): SnapshotRecord {
  const timeSec = 1_700_000_000 + at
  return {
    name: formatSnapshotName(timeSec),
    label: label(at),
    timeSec,
    cutAtMs: timeSec * 1000 + 7,
    memo: 'before the upgrade – ünïcode "quoted"\n',
    tags: [],
    isHeld: false,
    ...changed,
  }
}

/** The failure that `act` must end with, as kind and message. */
function failureOf(act: () => unknown): Failure {
  try {
    act()
  } catch (error) {
    if (error instanceof Failure) return error
    throw error
  }
  throw new Error('it succeeded')
}

describe('the copy of a catalog', () => {
  const copy = () => join(store, 'catalog.copy.json')

  function made() {
    const catalog = Catalog.open(store, { create: true })
    const { id } = volumeOf(catalog)
    catalog.addSnapshot(id, snapshot(1))
    catalog.addSnapshot(id, snapshot(2))
    catalog.addSnapshot(id, snapshot(3))
    return { catalog, id }
  }

  test.each([
    [
      'damaged',
      () => {
        writeFileSync(file, readFileSync(file, 'utf8').replace('1', '2'))
      },
    ],
    [
      'missing',
      () => {
        rmSync(file)
      },
    ],
  ])('stands in for one that is %s, and no label is given again', (_, lose) => {
    const { catalog, id } = made()
    catalog.removeSnapshots(id, [snapshot(2).name], false)
    const snapshots = catalog.volumeById(id)?.snapshots
    mkdirSync(join(store, 'volumes'), { recursive: true })
    lose()
    expect(failureOf(() => Catalog.open(store, { create: true })).message).toContain('--repair')
    expect(Catalog.restore(store)).toBe(2)
    const restored = Catalog.open(store, { create: true })
    expect(restored.storeId).toBe(catalog.storeId)
    expect(restored.volumeById(id)?.snapshots).toEqual(snapshots)
    expect(restored.nextLabel(id)).toBeGreaterThan(1000)
    expect(Catalog.restore(store)).toBeUndefined()
  })

  test('does not stand in if it is damaged too', () => {
    made()
    for (const path of [file, copy()]) writeFileSync(path, readFileSync(path).fill(65, 100, 101))
    const failure = failureOf(() => Catalog.restore(store))
    expect(failure.kind).toBe('damaged')
    expect(failure.message).not.toContain('--repair')
  })

  test('is made anew when a crash has taken it', () => {
    made()
    writeFileSync(copy(), '')
    Catalog.open(store, { create: true })
    expect(readFileSync(copy(), 'utf8').trimEnd()).toBe(readFileSync(file, 'utf8').trimEnd())
  })

  test('may be a directory: then snapshots are taken, and none deleted', () => {
    const { catalog, id } = made()
    rmSync(copy())
    mkdirSync(copy())
    catalog.addSnapshot(id, snapshot(4))
    expect(Catalog.open(store, { create: true }).volumeById(id)?.snapshots).toHaveLength(4)
    expect(failureOf(() => catalog.removeSnapshots(id, [snapshot(1).name], false)).kind).toBe(
      'failed',
    )
    expect(catalog.volumeById(id)?.snapshots).toHaveLength(4)
  })

  test('never has a snapshot that was deleted, whatever a power failure takes', () => {
    const random = new Random(seedOfThisRun())
    const disk = SimDisk.empty()
    const catalog = Catalog.open('/store', { create: true, disk })
    const { id } = volumeOf(catalog)
    let restoredCount = 0
    for (let at = 1; at < 60; at++) {
      catalog.addSnapshot(id, snapshot(at))
      const oldest = catalog.volumeById(id)?.snapshots.at(0)?.name ?? ''
      if (random.isLikely(0.2)) {
        // As the kernel does now and then.
        const fd = disk.open('/store/catalog.copy.json', 'writing')
        disk.sync(fd)
        disk.close(fd)
      }
      if (random.isLikely(0.4)) catalog.removeSnapshots(id, [oldest], false)
      const there = new Set(catalog.volumeById(id)?.snapshots.map(({ name }) => name))
      const later = disk.copy()
      later.losePower(
        { random, keeps: random.pick([0, 0, 0.5, 1]), tears: 0.3 },
        random.isLikely(0.5),
      )
      later.remove('/store/catalog.json')
      later.makeDirectories('/store/volumes')
      try {
        Catalog.restore('/store', later)
      } catch (error) {
        if (error instanceof Failure && error.kind === 'damaged') continue
        throw error
      }
      restoredCount++
      const { snapshots } = Catalog.open('/store', { create: true, disk: later }).volumeById(
        id,
      ) ?? { snapshots: [] }
      expect(snapshots.filter(({ name }) => !there.has(name))).toEqual([])
    }
    expect(restoredCount).toBeGreaterThan(10)
  })
})

describe('a catalog', () => {
  test('holds after reopening what was added', () => {
    const catalog = Catalog.open(store, { create: true })
    const docs = volumeOf(catalog)
    const homes = volumeOf(catalog, 'homes', '/home')
    catalog.addSnapshot(docs.id, snapshot(1, { tags: ['release'] }))
    catalog.addSnapshot(docs.id, snapshot(2))

    const reopened = Catalog.open(store, { create: false })
    expect(reopened.storeId).toBe(catalog.storeId)
    expect(reopened.volumes()).toEqual(catalog.volumes())
    expect(reopened.volumeById(docs.id)?.snapshots).toEqual([
      snapshot(1, { tags: ['release'] }),
      snapshot(2),
    ])
    expect(reopened.volumeByName('homes')).toEqual(homes)
    expect(reopened.volumeByOrigin('/home')).toEqual(homes)
    expect(reopened.volumeByOrigin('/elsewhere')).toBeUndefined()
  })

  test('gives each label once', () => {
    const catalog = Catalog.open(store, { create: true })
    const { id } = volumeOf(catalog)
    expect(catalog.nextLabel(id)).toBe(1)
    catalog.addSnapshot(id, snapshot(1))
    expect(Catalog.open(store, { create: false }).nextLabel(id)).toBe(2)
    expect(() => {
      catalog.addSnapshot(id, snapshot(2, { label: label(1) }))
    }).toThrow('label 1 was given before')
  })

  test('takes snapshots of several volumes together or not at all', () => {
    const catalog = Catalog.open(store, { create: true })
    const docs = volumeOf(catalog)
    const homes = volumeOf(catalog, 'homes', '/home')
    catalog.addSnapshot(homes.id, snapshot(5))
    const before = readFileSync(file)
    const failure = failureOf(() => {
      catalog.addSnapshots([
        { volumeId: docs.id, record: snapshot(1) },
        { volumeId: homes.id, record: snapshot(5) },
      ])
    })
    expect(failure.kind).toBe('exists')
    expect(readFileSync(file)).toEqual(before)
    expect(catalog.volumeById(docs.id)?.snapshots).toEqual([])
    catalog.addSnapshots([
      { volumeId: docs.id, record: snapshot(6) },
      { volumeId: homes.id, record: snapshot(6) },
    ])
    expect(catalog.volumes().map((volume) => volume.snapshots.length)).toEqual([1, 2])
  })

  test('refuses a second volume of one origin or name, and a tag that is taken', () => {
    const catalog = Catalog.open(store, { create: true })
    const { id } = volumeOf(catalog)
    expect(failureOf(() => volumeOf(catalog, 'other')).kind).toBe('exists')
    expect(failureOf(() => volumeOf(catalog, 'docs', '/other')).kind).toBe('exists')
    catalog.addSnapshot(id, snapshot(1, { tags: ['release'] }))
    const failure = failureOf(() => {
      catalog.addSnapshot(id, snapshot(2, { tags: ['release'] }))
    })
    expect(failure).toMatchObject({ kind: 'exists' })
    expect(failure.message).toContain('release')
  })

  test('changes what is said of snapshots, and nothing else of them', () => {
    const catalog = Catalog.open(store, { create: true })
    const { id } = volumeOf(catalog)
    for (const at of [1, 2]) catalog.addSnapshot(id, snapshot(at))
    const changed = { ...snapshot(1), memo: 'other', tags: ['a'], isHeld: true }
    const stray = { ...changed, name: 'no name', cutAtMs: 1 }
    catalog.changeSnapshots(id, [stray])
    const reopened = Catalog.open(store, { create: false })
    expect(reopened.volumeById(id)?.snapshots).toEqual([changed, snapshot(2)])
    expect(
      failureOf(() => {
        catalog.changeSnapshots(id, [changed, snapshot(3)])
      }).kind,
    ).toBe('missing')
  })

  test('gives a tag to one snapshot, but to many if it is a manual one or has a rule', () => {
    const catalog = Catalog.open(store, { create: true })
    const { id } = volumeOf(catalog)
    const tags = ['manual:x', 'daily']
    catalog.setPolicy(id, { ...emptyPolicy, tags: [{ tag: 'daily', intervalSec: 1, keep: 1 }] })
    for (const at of [1, 2]) catalog.addSnapshot(id, snapshot(at, { tags }))
    catalog.setPolicy(id, null)
    // What was given stays, and is in nobody's way.
    catalog.changeSnapshots(id, [snapshot(2, { tags: [...tags, 'x'], isHeld: true })])
    for (const tag of ['daily', 'x']) {
      const twice = failureOf(() => {
        catalog.changeSnapshots(id, [snapshot(1, { tags: [tag === 'x' ? 'x' : 'y'] })])
        catalog.changeSnapshots(id, [snapshot(1, { tags: [tag] })])
      })
      expect(twice.kind).toBe('exists')
    }
  })

  test('keeps nothing of what it could not write', () => {
    const catalog = Catalog.open(store, { create: true })
    const { id } = volumeOf(catalog)
    rmSync(store, { recursive: true })
    expect(() => {
      catalog.addSnapshot(id, snapshot(1))
    }).toThrow(Failure)
    expect(catalog.volumeById(id)?.snapshots).toEqual([])
  })

  test('is for its owner alone', () => {
    mkdirSync(store, { recursive: true })
    chmodSync(store, 0o755)
    Catalog.open(store, { create: true })
    expect(statSync(store).mode & 0o777).toBe(0o700)
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(readdirSync(store).sort()).toEqual([
      'catalog.copy.json',
      'catalog.json',
      'catalog.json.tmp',
    ])
    expect(statSync(`${file}.tmp`).mode & 0o777).toBe(0o600)
  })

  test('survives a half-written successor', () => {
    const catalog = Catalog.open(store, { create: true })
    volumeOf(catalog)
    writeFileSync(`${file}.tmp`, '{"format": "bygone-cat')
    const reopened = Catalog.open(store, { create: true })
    volumeOf(reopened, 'homes', '/home')
    expect(Catalog.open(store, { create: false }).volumes()).toHaveLength(2)
  })

  test('does not write through a link that lies where its new file goes', () => {
    const catalog = Catalog.open(store, { create: true })
    const victim = join(store, '..', 'victim')
    const lay = [symlinkSync, linkSync]
    lay.forEach((link, at) => {
      writeFileSync(victim, 'precious')
      rmSync(`${file}.tmp`)
      link(victim, `${file}.tmp`)
      volumeOf(catalog, `volume ${at}`, `/srv/${at}`)
      expect(readFileSync(victim, 'utf8')).toBe('precious')
    })
    expect(Catalog.open(store, { create: false }).volumes()).toHaveLength(2)
  })
})

describe('a store that can not be opened', () => {
  test('a missing one is named', () => {
    const failure = failureOf(() => Catalog.open(store, { create: false }))
    expect(failure.kind).toBe('missing')
    expect(failure.message).toContain(store)
  })

  test('a directory with other things in it does not become one', () => {
    mkdirSync(store, { recursive: true })
    writeFileSync(join(store, 'letter.txt'), '')
    expect(failureOf(() => Catalog.open(store, { create: true })).kind).toBe('failed')
    expect(readdirSync(store)).toEqual(['letter.txt'])
  })

  test('one that lost its catalog does not get an empty one', () => {
    mkdirSync(join(store, 'volumes'), { recursive: true })
    expect(failureOf(() => Catalog.open(store, { create: true })).kind).toBe('damaged')
    expect(readdirSync(store)).toEqual(['volumes'])
  })

  test('one of a newer version is refused with advice', () => {
    mkdirSync(store, { recursive: true })
    const text = resealed('{ "format": "bygone-catalog", "version": 5, "tomorrow": [] }')
    writeFileSync(file, text)
    const failure = failureOf(() => Catalog.open(store, { create: true }))
    expect(failure.kind).toBe('failed')
    expect(failure.message).toMatch(/version 5.*up to 4.*newer bygone/)
    expect(readFileSync(file, 'utf8')).toBe(text)
  })

  test('one of an older version is refused with advice', () => {
    mkdirSync(store, { recursive: true })
    const text = JSON.stringify({ format: 'bygone-catalog', version: 1, storeId: 'x', volumes: [] })
    writeFileSync(file, text)
    const failure = failureOf(() => Catalog.open(store, { create: true }))
    expect(failure.kind).toBe('failed')
    expect(failure.message).toMatch(/of an older bygone/)
    expect(readFileSync(file, 'utf8')).toBe(text)
  })

  const daily = { tag: 'daily', intervalSec: 86400, keep: 9 }
  const policy = {
    snapshotsMax: 5,
    keep: { last: 1, hourly: 2, daily: 3, weekly: 4, monthly: 5, yearly: 0 },
    tags: [daily],
    freeBytesMin: 1024,
    priorities: [{ tag: 'daily', priority: -1 }],
    zone: 'Asia/Tokyo',
  }
  const schedule = {
    name: 'nightly',
    timing: { kind: 'cron', cron: '0 3 * * *', zone: 'UTC' },
    tags: ['daily'],
    memo: '',
    isIfChanged: true,
    doneMs: 5,
    goodMs: null,
    lastSnapshot: '@GMT-2026.11.21-12.00.00',
    failures: 1,
    lastFailure: { atMs: 5, message: 'x' },
  }
  const interval = { kind: 'interval', everySec: 60, offsetSec: 59 }
  const scheduled = (changed: Fields): Fields =>
    volume({ schedules: [{ ...schedule, ...changed }] })
  const good = {
    format: 'bygone-catalog',
    version: 4,
    storeId: '0123456789abcdef',
    volumes: [
      {
        id: '0123456789abcdef',
        name: 'docs',
        origin: '/srv/docs',
        kind: 'tree',
        chunkBytes: 65536,
        createdAtMs: 1,
        labelLast: 2,
        timeLastSec: snapshot(2).timeSec,
        isUnswept: false,
        policy,
        schedules: [schedule],
        snapshots: [snapshot(1, { isHeld: true }), snapshot(2)],
      },
    ],
  }
  type Fields = Record<string, unknown>
  const volume = (changed: Fields): Fields => ({
    ...good,
    volumes: [{ ...good.volumes[0], ...changed }],
  })
  const record = (changed: Fields): Fields =>
    volume({ snapshots: [{ ...snapshot(1), ...changed }] })
  const without = (from: Fields, field: string): Fields =>
    Object.fromEntries(Object.entries(from).filter(([key]) => key !== field))

  const textOf = (content: unknown): string =>
    content === undefined ? '{"format": "bygone-cat' : resealed(JSON.stringify(content))

  test.each<[string, unknown]>([
    ['not JSON', undefined],
    ['null', null],
    ['a list', []],
    ['another format', { ...good, format: 'letters' }],
    ['no version', without(good, 'version')],
    ['a version that is none', { ...good, version: '2' }],
    ['a store id that is none', { ...good, storeId: '../../etc' }],
    ['no volumes', without(good, 'volumes')],
    ['an unknown field', { ...good, surprise: 1 }],
    ['two volumes with one id', { ...good, volumes: [...good.volumes, ...good.volumes] }],
    ['a volume id that leads elsewhere', volume({ id: '../../../../etc' })],
    ['a relative origin', volume({ origin: 'docs' })],
    ['an unknown kind', volume({ kind: 'cloud' })],
    ['chunks that are no power of two', volume({ chunkBytes: 5000 })],
    ['chunks that are too small', volume({ chunkBytes: 2048 })],
    ['a time that is no number', volume({ createdAtMs: '1' })],
    ['a last label below the newest', volume({ labelLast: 1 })],
    ['a last time before the newest', volume({ timeLastSec: 0 })],
    ['something else than yes or no', volume({ isUnswept: 1 })],
    ['a label with a fraction', record({ label: 1.5 })],
    ['label 0', record({ label: 0 })],
    ['a name that does not fit the time', record({ timeSec: 5 })],
    ['a name that is none', record({ name: '@GMT-2024.02.31-00.00.00' })],
    ['a memo that is no text', record({ memo: 7 })],
    ['a tag that leads elsewhere', record({ tags: ['../x'] })],
    ['tags that are no list', record({ tags: 'x' })],
    ['a tag twice', record({ tags: ['x', 'x'] })],
    ['a hold that is neither', record({ isHeld: 1 })],
    ['no policy', volume({ policy: undefined })],
    ['a policy that keeps none', volume({ policy: { ...policy, snapshotsMax: 0 } })],
    ['a policy with less than no days', volume({ policy: { ...policy, keep: { daily: -1 } } })],
    ['a policy with an unknown field', volume({ policy: { ...policy, surprise: 1 } })],
    ['two rules for a tag', volume({ policy: { ...policy, tags: [daily, daily] } })],
    [
      'a rule without an interval',
      volume({ policy: { ...policy, tags: [{ ...daily, intervalSec: 0 }] } }),
    ],
    ['a zone that is no name', volume({ policy: { ...policy, zone: '../x y' } })],
    ['no schedules', volume({ schedules: undefined })],
    ['two schedules with one name', volume({ schedules: [schedule, schedule] })],
    ['a schedule with a name of two words', scheduled({ name: 'a b' })],
    ['a schedule of another kind', scheduled({ timing: { ...interval, kind: 'moon' } })],
    ['an interval of no time', scheduled({ timing: { ...interval, everySec: 0 } })],
    ['an interval shifted by itself', scheduled({ timing: { ...interval, offsetSec: 60 } })],
    ['a cron line of two lines', scheduled({ timing: { ...schedule.timing, cron: '0\n1' } })],
    ['a schedule that took what is no snapshot', scheduled({ lastSnapshot: 'x' })],
    ['a failure without a time', scheduled({ lastFailure: { message: 'x' } })],
    ['a snapshot without memo', volume({ snapshots: [without({ ...snapshot(1) }, 'memo')] })],
    ['snapshots out of order', volume({ snapshots: [snapshot(2), snapshot(1)] })],
  ])('a catalog with %s is refused and left as it is', (_, content) => {
    mkdirSync(store, { recursive: true })
    const text = textOf(content)
    writeFileSync(file, text)
    const failure = failureOf(() => Catalog.open(store, { create: true }))
    expect(failure.kind).toBe('damaged')
    expect(failure.message).toContain(file)
    expect(failure.message).not.toContain('\n')
    expect(readFileSync(file, 'utf8')).toBe(text)
  })

  test('one flipped bit anywhere is noticed', () => {
    const catalog = Catalog.open(store, { create: true })
    const { id } = volumeOf(catalog)
    catalog.addSnapshot(id, snapshot(1))
    const whole = readFileSync(file)
    const end = whole.toString('utf8').trimEnd().length
    for (let at = 0; at < end; at++) {
      const bytes = Buffer.from(whole)
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (at % 8))
      writeFileSync(file, bytes)
      expect(failureOf(() => Catalog.open(store, { create: false })).kind).toBe('damaged')
    }
  })

  test('the catalog that those were made from is good', () => {
    mkdirSync(store, { recursive: true })
    writeFileSync(file, textOf(good))
    expect(Catalog.open(store, { create: false }).volumes()).toEqual(good.volumes)
  })
})
