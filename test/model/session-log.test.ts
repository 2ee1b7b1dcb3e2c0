import { describe, expect, onTestFinished, test } from 'vitest'
import { FsError } from '../../src/base/errno.js'
import { O, Rename } from '../../src/base/open-flags.js'
import { Random, seedOfThisRun } from '../support/random.js'
import { SessionWorld } from '../support/session-world.js'

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

  constructor(random: Random) {
    this.#random = random
    this.session = new SessionWorld(4096)
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
    for (let step = 0; step < steps; step++) {
      story.step(true)
      if (!random.isLikely(0.1)) continue
      const before = session.tables()
      session.takeOver()
      expect(session.tables(), `after step ${step}`).toEqual(before)
      expect(session.placesThatAreNot()).toEqual([])
      if (random.isLikely(0.5)) session.world.view.endResending()
    }
    story.closeAll()
    session.driver.forgetAll()
    expect(session.world.view.nodeCount).toBe(1)
    expect(session.world.view.gauges()['handles']).toBe(0)
    expect(session.kept.all()).toEqual([session.log.log.fd])
  })
})
