import type { Random } from '../random.js'
import { foreignJournal } from './foreign-journal.js'
import type { SimDisk } from './sim-disk.js'
import { directories, type SimVolume } from './sim-volume.js'

const names = ['a', 'b', 'c']
const paths = directories.flatMap((directory) => names.map((name) => `${directory}/${name}`))
const modes = [0o600, 0o640, 0o755]
const fileBytesMax = 40_000

export interface LiveChange {
  readonly what: string
  readonly act: (volume: SimVolume) => void
}

/** What programs do to the live files, at random: to few files, so that it meets. */
export class LiveChanges {
  readonly #random: Random
  #bytesNext = 1

  constructor(random: Random) {
    this.#random = random
  }

  someFile(disk: SimDisk): string | undefined {
    const there = paths.filter((path) => disk.numberOf(path) !== undefined)
    return there.length === 0 ? undefined : this.#random.pick(there)
  }

  next(disk: SimDisk): LiveChange {
    const random = this.#random
    const file = this.someFile(disk)
    const missing = random.pick(paths)
    if (file === undefined || random.isLikely(0.15)) {
      if (disk.numberOf(missing) === undefined) return create(missing)
    }
    const make = random.weighted<(path: string) => LiveChange>([
      [this.#write, 26],
      [this.#truncate, 8],
      [this.#setMode, 4],
      [this.#rename, 9],
      [this.#unlink, 6],
    ])
    return make(file ?? missing)
  }

  readonly #write = (path: string): LiveChange => {
    const length = this.#random.pick([1, 100, 4096, 5000, 12_000])
    const offset = this.#random.below(fileBytesMax - length)
    const bytes = this.#bytes(length)
    return {
      what: `write ${path} at ${offset} for ${length}`,
      act: (volume) => {
        volume.write(path, offset, bytes)
      },
    }
  }

  readonly #truncate = (path: string): LiveChange => {
    const size = this.#random.pick([0, 1, 4096, 6000, 16_384, 30_000])
    return {
      what: `truncate ${path} to ${size}`,
      act: (volume) => {
        volume.truncate(path, size)
      },
    }
  }

  readonly #setMode = (path: string): LiveChange => {
    const mode = this.#random.pick(modes)
    return {
      what: `set mode of ${path}`,
      act: (volume) => {
        volume.setMode(path, mode)
      },
    }
  }

  readonly #rename = (path: string): LiveChange => {
    const to = this.#random.pick(paths.filter((other) => other !== path))
    return {
      what: `rename ${path} to ${to}`,
      act: (volume) => {
        volume.rename(path, to)
      },
    }
  }

  readonly #unlink = (path: string): LiveChange => ({
    what: `unlink ${path}`,
    act: (volume) => {
      volume.unlink(path)
    },
  })

  /** Now and then a piece of another volume's journal: nothing in a file may be taken for a record. */
  #bytes(length: number): Buffer {
    if (!this.#random.isLikely(0.25)) return Buffer.alloc(length, this.#bytesNext++)
    const foreign = foreignJournal()
    const from = this.#random.below(foreign.length)
    return foreign.subarray(from, from + length)
  }
}

function create(path: string): LiveChange {
  return {
    what: `create ${path}`,
    act: (volume) => {
      volume.create(path)
    },
  }
}
