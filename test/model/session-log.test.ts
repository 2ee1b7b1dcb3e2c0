import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { ByteString } from '../../src/base/bytes.js'
import { FsError } from '../../src/base/errno.js'
import { O, Rename } from '../../src/base/open-flags.js'
import { newEntry } from '../../src/fuse/blank.js'
import { Random, seedOfThisRun } from '../support/random.js'
import { SessionWorld } from '../support/session-world.js'
import type { SessionTables } from '../support/session-world.js'

// Goal: a successor knows just what its predecessor knew, whenever that was killed; and what it can't know for sure it
// says. Method: random operations through the file system interface, in one process without a mount; between any two, or
// at any byte of the log, another view takes over, and its tables are compared with those that were.

const seed = seedOfThisRun()
const steps = Number(process.env['BYGONE_OPERATIONS'] ?? 400)
const names = ['a', 'b', 'c', 'd', 'e']

class Story {
  readonly session: SessionWorld
  readonly #random: Random
  readonly #open: number[] = []
  #snapshots: string[] = []

  constructor(random: Random, garbageMin?: number) {
    this.#random = random
    this.session = new SessionWorld(4096, garbageMin)
    onTestFinished(() => {
      this.session.remove()
    })
  }

  /** One operation of a program; that it is refused is an operation too. */
  step(hasSnapshots: boolean): void {
    const { driver, world } = this.session
    const random = this.#random
    const path = () =>
      Array.from({ length: random.between(1, 2) }, () => random.pick(names)).join('/')
    const place = (): [string, string] => {
      const at = path().split('/')
      const name = at.pop() ?? ''
      return [at.join('/'), name]
    }
    const acts: [() => void, number][] = [
      [() => this.#open.push(driver.create(...place(), 0o644)), 8],
      [() => this.#open.push(driver.open(path())), 4],
      [
        () => {
          this.#close()
        },
        5,
      ],
      [
        () => {
          driver.mkdir(...place())
        },
        6,
      ],
      [
        () => {
          driver.symlink(...place(), 'somewhere')
        },
        2,
      ],
      [
        () => {
          driver.link(path(), ...place())
        },
        5,
      ],
      [
        () => {
          driver.unlink(...place())
        },
        6,
      ],
      [
        () => {
          driver.rmdir(...place())
        },
        3,
      ],
      [
        () => {
          driver.rename(
            ...place(),
            ...place(),
            random.pick([0, 0, 0, Rename.noReplace, Rename.exchange]),
          )
        },
        10,
      ],
      [() => this.#open.push(driver.createUnnamed('', 0o600).handle), 1],
      [() => driver.list(random.pick(['', 'a', 'b'])), 3],
      [() => driver.find(path()), 8],
      [
        () => {
          driver.forgetAll()
        },
        1,
      ],
    ]
    if (hasSnapshots) {
      const past = () => `${random.pick([...this.#snapshots, '@latest'])}/${path()}`
      acts.push(
        [() => this.#snapshots.push(world.snapshot().name), 2],
        [() => this.#open.push(driver.open(past(), O.RDONLY)), 3],
        [() => driver.find(past()), 5],
        [() => driver.list(random.pick([...this.#snapshots, ''])), 2],
        [
          () => {
            this.#delete()
          },
          0.5,
        ],
        [() => void world.sweep(), 0.5],
      )
    }
    try {
      random.weighted(acts)()
    } catch (error) {
      if (
        !(error instanceof FsError) &&
        !(error instanceof Error && error.message.startsWith('no '))
      )
        throw error
    }
  }

  closeAll(): void {
    while (this.#open.length > 0) this.#close()
  }

  #close(): void {
    const [handle] = this.#open.splice(this.#random.below(this.#open.length), 1)
    if (handle !== undefined) this.session.driver.close(handle)
  }

  #delete(): void {
    const name = this.#snapshots[this.#random.below(this.#snapshots.length)]
    if (name === undefined) return
    this.#snapshots = this.#snapshots.filter((each) => each !== name)
    this.session.world.delete(name)
  }
}

describe(`a session log (BYGONE_SEED=${seed})`, () => {
  test('has a successor know what its predecessor knew, again and again', () => {
    const random = new Random(seed)
    const story = new Story(random)
    const { session } = story
    let smaller = 0
    const isCompacting = () => session.log.isCompacting
    for (let step = 0; step < steps; step++) {
      const wasCompacting = isCompacting()
      story.step(true)
      if (wasCompacting && !isCompacting()) smaller++
      if (!random.isLikely(0.1)) continue
      const before = session.tables()
      session.takeOver()
      expect(session.tables(), `after step ${step}`).toEqual(before)
      expect(session.placesThatAreNot()).toEqual([])
      if (random.isLikely(0.9)) session.world.view.session.endResending()
    }
    expect(smaller).toBeGreaterThan(0)
    story.closeAll()
    session.driver.forgetAll()
    expect(session.world.view.nodeCount).toBe(1)
    expect(session.world.view.gauges()['handles']).toBe(0)
    expect(session.kept.all()).toEqual([session.log.log.fd])
  })

  test('that is cut at any byte tells what was known then, or that it is damaged', () => {
    const random = new Random(seed)
    // Never made smaller: then what ended before would be in another log.
    const story = new Story(random, Infinity)
    const { session } = story
    const { world } = session
    /** By where the log ended after each request. */
    const known = new Map<number, SessionTables>([[session.log.bytes, session.tables()]])
    for (let step = 0; step < 60; step++) {
      story.step(false)
      known.set(session.log.bytes, session.tables())
    }
    const all = session.bytes()
    const first = Math.min(...known.keys())
    world.die()
    const isOpen = ([, words]: [number, string]) => words
    for (let round = 0; round < 60; round++) {
      const ends = [...known.keys()]
      const end = random.isLikely(0.5) ? random.pick(ends) : random.between(first, all.length)
      const before = known.get(Math.max(...ends.filter((each) => each <= end)))
      const after = known.get(Math.min(...ends.filter((each) => each >= end)))
      try {
        session.takeOverFrom(all.subarray(0, end))
      } catch (error) {
        expect(known.has(end), `cut at ${end}: ${String(error)}`).toBe(false)
        expect(String(error)).toMatch(/damaged|unknown directory/)
        world.die()
        continue
      }
      const { nodes } = session.tables()
      for (const [id, words] of nodes) {
        expect([before?.nodes.get(id), after?.nodes.get(id)].map(identityOf)).toContain(
          identityOf(words),
        )
      }
      if (known.has(end)) {
        expect([...nodes].map(isOpen).map(identityOf).sort()).toEqual(
          [...(before?.nodes ?? [])].map(isOpen).map(identityOf).sort(),
        )
      }
      world.die()
    }
    world.open()
  })

  test('leads to no other file by a descriptor whose number came to be used again', () => {
    const { session } = new Story(new Random(seed))
    const { driver, kept } = session
    const gone = driver.create('', 'gone', 0o600)
    const stays = driver.create('', 'stays', 0o600)
    driver.find('gone')
    const [goneFd, staysFd] = [gone, stays].map((handle) => fdOf(session, handle))
    // It was closed and that is not on record; another thread has the number now, and marks it as its own.
    closeSync(goneFd ?? -1)
    const other = openSync('/etc/passwd', 'r')
    expect(other).toBe(goneFd)
    kept.keep(other)
    session.othersKept.add(other)
    session.takeOver()
    expect(() => session.world.view.lseek(gone, 0, 0)).toThrow('ESTALE')
    driver.close(gone)
    expect(readFileSync(other, 'latin1')).toContain('root')
    kept.drop(other)
    closeSync(other)
    driver.write(stays, 0, Buffer.from('text'))
    expect(fstatSync(staysFd ?? -1).size).toBe(4)
  })

  test('gives nothing the number of what a deleted snapshot had, which the kernel may know still', () => {
    const { session } = new Story(new Random(seed))
    const { driver, world } = session
    driver.create('', 'file', 0o600)
    const first = world.snapshot().name
    const gone = [driver.must(first), driver.must(`${first}/file`)]
    world.delete(first)
    session.takeOver()
    const second = world.snapshot().name
    const nodes = [driver.must(second), driver.must(`${second}/file`)]
    expect(Math.min(...nodes)).toBeGreaterThan(Math.max(...gone))
    session.takeOver()
    expect(driver.attributesOf(nodes[1] ?? 0).mode & 0o777).toBe(0o600)
  })

  test('believes no link in the retired directory that a sweep has removed just before the kill', () => {
    const { session } = new Story(new Random(seed))
    const { driver, world } = session
    const handle = driver.create('', 'one', 0o600)
    driver.write(handle, 0, Buffer.from('of then'))
    driver.close(handle)
    driver.link('one', '', 'other')
    const first = world.snapshot().name
    driver.unlink('', 'one')
    driver.must('other')
    expect(world.retired()).toHaveLength(1)
    const left = session.bytes()
    world.delete(first)
    world.sweep()
    expect(world.retired()).toEqual([])
    // That the link is gone has not come to be on record.
    session.takeOver(left.length)
    const second = world.snapshot().name
    driver.unlink('', 'other')
    expect(driver.read(`${second}/other`).toString()).toBe('of then')
  })

  test('takes back the lookups of a request that comes again, and no other', () => {
    const { session } = new Story(new Random(seed))
    const { driver } = session
    driver.create('', 'file', 0o600)
    const { node } = driver.find('file') ?? { node: 0 }
    const lookupsNow = () =>
      (JSON.parse(session.tables().nodes.get(node) ?? '{}') as { lookups?: number }).lookups
    const lookup = (high: number, unique: number) => {
      const { view } = session.world
      view.begins(high, unique, false)
      view.lookup(1, 'file' as ByteString, caller, newEntry())
      view.ends()
    }
    lookup(0, 1000)
    expect(lookupsNow()).toBe(3)
    session.takeOver()
    // One that was never begun comes before it.
    lookup(resentBit, 998)
    lookup(resentBit, 1000)
    expect(lookupsNow()).toBe(4)
  })
})

const resentBit = 0x80000000
const caller = { uid: 0, gid: 0, pid: 1, umask: 0 }

/** What must never be another: a node's object, and where it is. Its lookups and descriptor may be of a moment before. */
function identityOf(words: string | undefined): string {
  if (words === undefined) return ''
  const { object, type, places } = JSON.parse(words) as Record<string, unknown>
  return JSON.stringify({ object, type, places })
}

function fdOf(session: SessionWorld, handle: number): number {
  const words = session.tables().handles.get(handle) ?? '{}'
  return (JSON.parse(words) as { fd?: number }).fd ?? -1
}
