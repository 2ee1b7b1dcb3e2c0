import {
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { Failure } from '../../src/base/failure.js'
import { recordStarts } from '../support/crashed-volume.js'
import { DyingDisk } from '../support/dying-disk.js'
import { lost, type Look, type Seen } from '../support/past-look.js'
import { chunkBytes, makePast, type Checked, type PastFixture } from '../support/past-fixture.js'
import { Random, seedOfThisRun } from '../support/random.js'

// Goal: whatever is done to a file of the store, no snapshot shows anything that was not there (invariant 3); check
// names exactly what can't be read; a repair makes all else readable again and loses nothing that was not hit.
// Method: one past of which all is known, damaged in one place after the other at random; what each snapshot shows
// is compared with what it showed when it was taken, before the repair, if it opens, and after it.

const seed = seedOfThisRun()

/** Paths of each snapshot that have lost something, as `snapshot/path`, with the 4 KiB chunks that are lost or 'all' or 'names'. */
type Losses = Map<string, string>

function lossesOf(past: PastFixture): Losses {
  const losses: Losses = new Map()
  for (const [snapshot, look] of past.look()) {
    const then = past.then.get(snapshot)
    if (then === undefined) throw new Error(`no snapshot ${snapshot}`)
    for (const [path, was] of then) {
      const at = `${snapshot}/${path}`
      const now = look.get(path)
      if (now === undefined) {
        // Only below a directory that says so; nobody can name what it has lost.
        expect([at, isBelowLost(look, path)]).toEqual([at, true])
        continue
      }
      // A directory that has lost names shows what it is today: what is below can be reached.
      const isLeft = was.content[0] === 'whole' && now.content[0] === lost
      if (now.attributes !== lost && !isLeft) {
        expect([at, now.attributes]).toEqual([at, was.attributes])
      }
      if (now.attributes === lost || now.content.length < was.content.length) {
        losses.set(at, was.content[0] === 'whole' ? 'names' : 'all')
        continue
      }
      const chunks = now.content.flatMap((part, chunk) => {
        if (part !== lost) expect([at, chunk, part]).toEqual([at, chunk, was.content[chunk]])
        return part === lost ? [chunk] : []
      })
      if (chunks.length === 0) continue
      losses.set(at, was.content[0] === 'whole' ? 'names' : chunks.join(' '))
    }
    for (const [path, now] of look) {
      if (then.has(path)) continue
      // A name of today may stand in a directory that has lost its names, but nothing new behind it: what is lost, a
      // directory that ends in an error, or what the snapshot had elsewhere.
      expect([path, isBelowLost(look, path)]).toEqual([path, true])
      const isKnown = [...then.values()].some((was) => isLeftOf(now, was))
      if (!isKnown) expect([path, now.content.filter((part) => part !== lost)]).toEqual([path, []])
    }
  }
  return losses
}

/** Whether it is the same, as far as it is not lost. */
function isLeftOf(now: Seen, was: Seen): boolean {
  const isSame = now.attributes === lost || now.attributes === was.attributes
  return isSame && now.content.every((part, at) => part === lost || part === was.content[at])
}

/** Whether the names of a directory above are not all there. */
function isBelowLost(look: Look, path: string): boolean {
  for (let at = path; at !== ''; at = parentOf(at)) {
    if (look.get(parentOf(at))?.content[0] === lost) return true
  }
  return false
}

function parentOf(path: string): string {
  return path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : ''
}

/** The same by what check says. */
function namedLosses({ problems }: Checked): Losses {
  const losses: Losses = new Map()
  for (const { path, snapshots, lost: what } of problems) {
    for (const snapshot of snapshots) {
      const at = `${snapshot}/${path}`
      if (typeof what === 'string') losses.set(at, what === 'everything' ? 'all' : what)
      else {
        const chunks = what.flatMap(({ start, end }) =>
          range(Math.floor(start / chunkBytes), Math.ceil(end / chunkBytes)),
        )
        losses.set(at, [...new Set(chunks)].join(' '))
      }
    }
  }
  return losses
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, at) => from + at)
}

/** A file of which every chunk is lost is as lost as one that can't be opened. */
function expectSame(named: Losses, found: Losses, past: PastFixture): void {
  const shape = (losses: Losses) =>
    [...losses]
      .flatMap(([at, what]) => {
        const [snapshot = '', ...path] = at.split('/')
        const was = past.then.get(snapshot)?.get(path.join('/'))
        // Of today, in a directory that has lost its names.
        if (was === undefined) return []
        const isAll = what !== 'names' && what === was.content.map((_, chunk) => chunk).join(' ')
        return [`${at}: ${isAll ? 'all' : what}`]
      })
      .sort()
  expect(shape(named)).toEqual(shape(found))
}

interface Damage {
  name: string
  /** Returns the file that check must name. */
  do: (past: PastFixture, random: Random) => string
  /** Nothing of the past may be lost by it. */
  losesNothing?: boolean
}

const journal = (past: PastFixture, segment: string) => past.path(join('journal', segment))

function edit(path: string, change: (bytes: Buffer) => Buffer): void {
  writeFileSync(path, change(readFileSync(path)))
}

function flip(bytes: Buffer, at: number, random: Random): Buffer {
  bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << random.below(8)), at)
  return bytes
}

/** Damages one record of a segment that is not the last; `at` tells which byte of it, by its start, body and end. */
function inRecord(
  change: (bytes: Buffer, start: number, body: number, end: number, random: Random) => Buffer,
): Damage['do'] {
  return (past, random) => {
    const segment = random.pick(past.segments())
    edit(journal(past, segment), (bytes) => {
      const starts = recordStarts(bytes)
      // Not the very last: a journal that ends sooner, between two records, looks right where nothing else knows better.
      const at = random.below(Math.max(1, starts.length - 2))
      const start = starts[at] ?? 0
      const end = starts[at + 1] ?? 0
      return change(bytes, start, start + 40 + bytes.readUInt32LE(start + 24), end, random)
    })
    return segment
  }
}

const damages: Damage[] = [
  {
    name: 'a bit of a head of a segment',
    do: (past, random) => {
      const segment = random.pick(past.segments())
      edit(journal(past, segment), (bytes) => flip(bytes, random.below(64), random))
      return segment
    },
  },
  {
    name: 'a bit of a record head',
    do: inRecord((bytes, start, _b, _e, random) => flip(bytes, start + random.below(40), random)),
  },
  {
    name: 'a bit of a record body',
    do: inRecord((bytes, start, body, _e, random) =>
      flip(bytes, random.between(start + 40, body - 1), random),
    ),
  },
  {
    name: 'a stretch of several records',
    do: inRecord((bytes, start, _b, _e, random) =>
      bytes.fill(0, start, Math.min(bytes.length, start + random.between(50, 3000))),
    ),
  },
  {
    name: 'a record that is cut out',
    do: inRecord((bytes, start, _b, end) =>
      Buffer.concat([bytes.subarray(0, start), bytes.subarray(end)]),
    ),
  },
  {
    name: 'bytes that are cut out of a record',
    do: inRecord((bytes, start, _b, end, random) => {
      const from = random.between(start, end - 2)
      return Buffer.concat([bytes.subarray(0, from), bytes.subarray(random.between(from + 1, end))])
    }),
  },
  {
    name: 'a record that is there twice',
    do: inRecord((bytes, start, _b, end) =>
      Buffer.concat([bytes.subarray(0, end), bytes.subarray(start)]),
    ),
  },
  {
    name: 'rubbish between records',
    do: inRecord((bytes, start, _b, _e, random) =>
      Buffer.concat([
        bytes.subarray(0, start),
        Buffer.alloc(random.between(1, 300), 7),
        bytes.subarray(start),
      ]),
    ),
  },
  {
    name: 'a segment that is cut short',
    do: inRecord((bytes, start, _b, end, random) =>
      bytes.subarray(0, random.between(start + 1, end - 1)),
    ),
  },
  {
    name: 'a segment that is empty',
    do: (past, random) => {
      const segment = random.pick(past.segments())
      writeFileSync(journal(past, segment), '')
      return segment
    },
  },
  {
    name: 'a segment that is gone',
    do: (past, random) => {
      const segment = random.pick(past.segments())
      rmSync(journal(past, segment))
      return segment
    },
  },
  {
    name: 'a segment in the place of another',
    do: (past, random) => {
      const segment = random.pick(past.segments())
      const other = random.pick(past.segments().filter((each) => each !== segment))
      copyFileSync(journal(past, other), journal(past, segment))
      return segment
    },
  },
  {
    name: 'all segments',
    do: (past) => {
      for (const segment of past.segments()) rmSync(journal(past, segment))
      return '00000001.seg'
    },
  },
]

describe(`a store that is damaged (BYGONE_SEED=${seed})`, () => {
  const random = new Random(seed)
  let past: PastFixture

  /** The failure with which a mount would be refused; undefined: it is not. */
  function refusal(): Failure | undefined {
    try {
      past.session(() => undefined)
      return undefined
    } catch (error) {
      if (error instanceof Failure) return error
      throw error
    }
  }

  function expectRepaired(hit: string, isIndexLost: boolean): void {
    const before = past.check({ data: true })
    const damaged = before.findings.filter(({ severity }) => severity === 'damage')
    // Where nothing else knows of a segment, what is missing is told of the one before.
    const isMissed = damaged.some(({ kind }) => kind === 'records-missing')
    if (!isMissed)
      expect(damaged.map(({ file }) => file).join(' '), JSON.stringify(before.findings)).toContain(
        hit,
      )
    const refused = refusal()
    if (refused !== undefined) expect(refused.kind).toBe('damaged')
    else lossesOf(past)
    const after = past.check({ data: true, repair: true })
    const left = after.findings.filter(
      ({ severity, kind }) => severity === 'damage' && kind !== 'chunk-data',
    )
    expect(left).toEqual([])
    expectSame(namedLosses(after), lossesOf(past), past)
    // If the index knew what the lost records said, nothing is lost by the repair; chunks may be found again.
    const named = namedLosses(before)
    if (!isIndexLost) for (const at of namedLosses(after).keys()) expect(named.has(at)).toBe(true)
    expect(past.check({ repair: true }).repaired).toEqual([])
  }

  for (const damage of damages) {
    for (const isIndexLost of [false, true]) {
      test(`by ${damage.name}${isIndexLost ? ', and without its index' : ''}, shows nothing that was not`, () => {
        past = makePast(random)
        const hit = damage.do(past, random)
        if (isIndexLost) rmSync(past.path('index'), { recursive: true })
        expectRepaired(hit, isIndexLost)
        expect(existsSync(past.path('repair.json'))).toBe(false)
      })
    }
  }

  /** Of files beside the journal: nothing is lost by them but what `losing` says. */
  const others: [string, (past: PastFixture) => string][] = [
    ['a bit of the index', (at) => flipIn(at.path('index/data.mdb'))],
    ['an index that is cut short', (at) => cutShort(at.path('index/data.mdb'))],
    ['a bit of the state of the index', (at) => flipIn(at.path('index/state'))],
    ['the state of the index, which is gone', (at) => removed(at.path('index/state'))],
    ['the index, which is gone', (at) => removed(at.path('index/data.mdb'))],
    ['a bit of the sessions', (at) => flipIn(at.path('sessions.json'), 20)],
    ['the sessions, which are gone', (at) => removed(at.path('sessions.json'))],
  ]

  function flipIn(path: string, before = Infinity): string {
    edit(path, (bytes) => flip(bytes, random.below(Math.min(before, bytes.length)), random))
    return path.slice(path.indexOf('volumes'))
  }

  function cutShort(path: string): string {
    edit(path, (bytes) => bytes.subarray(0, random.below(bytes.length)))
    return path.slice(path.indexOf('volumes'))
  }

  function removed(path: string): string {
    rmSync(path)
    return path.slice(path.indexOf('volumes'))
  }

  test.each(others)('by %s, has lost nothing', (_, damage) => {
    past = makePast(random)
    const hit = damage(past)
    const before = past.check()
    // A page of the index that is not in use may hold anything.
    const isUnused =
      hit.endsWith('data.mdb') && before.findings.every((at) => at.severity === 'note')
    if (!isUnused) expect(JSON.stringify(before.findings)).toContain(hit)
    expect(before.problems).toEqual([])
    const after = past.check({ repair: true })
    expect(after.problems).toEqual([])
    expect(after.findings.filter(({ severity }) => severity === 'damage')).toEqual([])
    expect([...lossesOf(past)]).toEqual([])
    expect(past.check().findings).toEqual([])
  })

  test('by the loss of all that tells when it was mounted, shows nothing that was not', () => {
    past = makePast(random)
    for (const name of ['sessions.json', 'sessions.copy.json']) rmSync(past.path(name))
    const after = past.check({ repair: true })
    expect(after.repaired.join(' ')).toContain('began anew')
    expectSame(namedLosses(past.check()), lossesOf(past), past)
  })

  test('by the loss of its catalog has it again from its copy', () => {
    past = makePast(random)
    const catalog = join(past.store, 'catalog.json')
    edit(catalog, (bytes) => flip(bytes, random.below(bytes.toString().trimEnd().length), random))
    const damaged = readFileSync(catalog)
    expect(past.check().findings.map(({ kind }) => kind)).toContain('catalog')
    const after = past.check({ repair: true })
    expect(after.repaired.join()).toContain('catalog')
    expect(after.findings).toEqual([])
    expect(after.problems).toEqual([])
    expect([...lossesOf(past)]).toEqual([])
    expect(readFileSync(join(past.store, 'catalog.damaged.json')).equals(damaged)).toBe(true)
  })

  test('by the loss of its catalog and the copy is refused, by a repair too, and not touched', () => {
    past = makePast(random)
    const catalog = join(past.store, 'catalog.json')
    edit(catalog, (bytes) => flip(bytes, random.below(30), random))
    rmSync(join(past.store, 'catalog.copy.json'))
    const damaged = readFileSync(catalog)
    expect(past.check().findings.map(({ kind }) => kind)).toContain('catalog')
    expect(() => {
      past.session(() => undefined)
    }).toThrow(Failure)
    expect(() => past.check({ repair: true })).toThrow(/catalog/)
    expect(readFileSync(catalog).equals(damaged)).toBe(true)
  })

  test('by the loss of a removed file names it, and keeps what is in the way', () => {
    past = makePast(random)
    const retired = join(past.origin, '.bygone/retired')
    const file = random.pick(readdirSync(retired))
    renameSync(join(retired, file), join(past.root, 'taken'))
    writeFileSync(join(retired, 'stranger'), 'not ours')
    const before = past.check()
    expect(before.problems.length).toBeGreaterThan(0)
    expect(before.problems.map(({ kind, lost: what }) => [kind, what])).toContainEqual([
      'gone',
      'everything',
    ])
    expectSame(namedLosses(before), lossesOf(past), past)
    const after = past.check({ repair: true })
    expectSame(namedLosses(after), namedLosses(before), past)
    expect(readFileSync(join(past.origin, '.bygone/strays/stranger'), 'utf8')).toBe('not ours')
    expect(after.findings.filter(({ severity }) => severity === 'damage')).toEqual([])
  })

  test('is repaired also by a repair that dies again and again, and goes on living', () => {
    past = makePast(random)
    const [first = '', second = ''] = past.segments()
    rmSync(journal(past, second))
    edit(journal(past, first), (bytes) => flip(bytes, 64 + 41, random))
    rmSync(past.path('index'), { recursive: true })
    let deaths = 0
    for (let changes = 0; ; changes += random.between(1, 3)) {
      const disk = new DyingDisk(changes)
      try {
        past.check({ repair: true, disk })
      } catch (error) {
        if (!disk.isDead) throw error
      }
      if (!disk.isDead) break
      deaths++
      // Whoever comes between finds it refused, or right.
      if (refusal() === undefined) lossesOf(past)
    }
    expect(deaths).toBeGreaterThan(5)
    expectSame(namedLosses(past.check({ data: true })), lossesOf(past), past)
    past.session((driver, volume) => {
      const handle = driver.open('a/file 4')
      driver.write(handle, 0, Buffer.alloc(chunkBytes, 1))
      driver.close(handle)
      driver.unlink('still', '1')
      past.snapshot(driver, volume)
      driver.rename('', 'a', 'still', 'a')
      driver.truncate('still/2', 0)
    })
    expectSame(namedLosses(past.check({ data: true })), lossesOf(past), past)
  })
})
