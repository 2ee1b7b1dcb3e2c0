import { writeFileSync } from 'node:fs'
import { expect } from 'vitest'
import type { Actor } from './actor.js'

/**
 * Programs that write the same number to two files, first to the one and then to the other, each in one write(2)
 * of two chunks of 4 KiB: a look at both of one instant has them at most one apart, and none of them torn.
 */

/** The file of a writer below a directory: 'a' is written first. */
const makingLines = `
for writer in range(given['writers']):
    open(given['first'] + '/a%d' % writer, 'w').close()
    open(given['second'] + '/b%d' % writer, 'w').close()`

const writingLines = `
record = lambda number: b'%07d ' % number * 1024
a = os.open(given['first'] + '/a%d' % given['writer'], os.O_WRONLY | os.O_CREAT)
b = os.open(given['second'] + '/b%d' % given['writer'], os.O_WRONLY | os.O_CREAT)
number = 0
while not os.path.exists(given['stop']):
    number += 1
    os.pwrite(a, record(number), 0)
    os.pwrite(b, record(number), 0)
os.close(a)
os.close(b)
result = number`

const readingLines = `
def number_of(path):
    with open(path, 'rb') as file:
        stamps = file.read().split()
    if not stamps:
        return 0
    assert len(stamps) == 1024 and set(stamps) == {stamps[0]}, 'torn: %s' % sorted(set(stamps))
    return int(stamps[0])
result = [[number_of(given['first'] + '/a%d' % writer), number_of(given['second'] + '/b%d' % writer)]
          for writer in range(given['writers'])]`

/** The directories of the two files; they may be the same. */
export interface Pair {
  first: string
  second: string
}

export class PairedWriters {
  readonly #newActor: () => Actor
  readonly #actor: Actor
  readonly #writers: number
  readonly #stop: string
  #working: ReturnType<Actor['python']>[] = []
  /** What each wrote last. */
  #last: number[] = []

  /** `stop`: the path of a file that is not there yet. */
  constructor(newActor: () => Actor, writers: number, stop: string) {
    this.#newActor = newActor
    this.#actor = newActor()
    this.#writers = writers
    this.#stop = stop
  }

  async start(pair: Pair): Promise<void> {
    const made = await this.#actor.python(makingLines, { ...pair, writers: this.#writers })
    expect(made.errno).toBeUndefined()
    this.#working = Array.from({ length: this.#writers }, (_, writer) =>
      this.#newActor().python(writingLines, { ...pair, writer, stop: this.#stop }, 120_000),
    )
  }

  async stop(): Promise<void> {
    writeFileSync(this.#stop, '')
    this.#last = (await Promise.all(this.#working)).map(({ ok }) => ok as number)
  }

  /** `looks`: where the two directories are in each snapshot, oldest first. Returns the numbers in the newest. */
  async expectInOrder(looks: readonly Pair[]): Promise<number[]> {
    let before = this.#last.map(() => 0)
    for (const look of looks) {
      const { ok } = await this.#actor.python(readingLines, { ...look, writers: this.#writers })
      const pairs = ok as [number, number][]
      for (const [a, b] of pairs) {
        expect(b, look.second).toBeLessThanOrEqual(a)
        expect(a, look.first).toBeLessThanOrEqual(b + 1)
      }
      pairs.forEach(([a], writer) => {
        expect(a, look.first).toBeGreaterThanOrEqual(before[writer] ?? 0)
      })
      before = pairs.map(([a]) => a)
    }
    // Each of them got somewhere, and none of the snapshots ran ahead.
    expect(before).toHaveLength(this.#writers)
    before.forEach((a, writer) => {
      expect(a).toBeGreaterThan(0)
      expect(a).toBeLessThanOrEqual(this.#last[writer] ?? 0)
    })
    return before
  }
}
