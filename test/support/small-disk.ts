import { closeSync, fsyncSync, openSync, readdirSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { run, succeed } from './command.js'

export type DiskKind = 'ext4' | 'xfs' | 'btrfs'

const ballastPrefix = 'ballast-'
/** The smallest that each will make. */
const megabytes: Record<DiskKind, number> = { ext4: 48, xfs: 300, btrfs: 128 }

/** A file system of its own in an image file, small enough to be filled. */
export class SmallDisk {
  readonly path: string
  #ballast = 0
  #ballastDirectory: string

  private constructor(path: string) {
    this.path = path
    this.#ballastDirectory = path
  }

  /** Mounted on `path`, which is made; whoever owns the directory above takes it away. `inodes`: ext4 alone. */
  static async make(
    path: string,
    options: { kind?: DiskKind; megabytes?: number; inodes?: number } = {},
  ): Promise<SmallDisk> {
    const { kind = 'ext4', inodes } = options
    const image = `${path}.image`
    await succeed('truncate', ['-s', `${options.megabytes ?? megabytes[kind]}M`, image])
    await makeFileSystem(kind, [...makeFlags(kind, inodes), image])
    mkdirSync(path, { recursive: true })
    await succeed('mount', ['-o', 'loop', image, path])
    rmSync(join(path, 'lost+found'), { recursive: true, force: true })
    return new SmallDisk(path)
  }

  /** Where to put what fills it: in an origin, not where it shows. */
  hideBallast(directory: string): void {
    this.#ballastDirectory = join(this.path, directory)
  }

  /** Takes what is left, root's reserve included, but for about `spareBytes`. */
  fill(spareBytes = 0): void {
    // In steps: what can't be had in one piece may be there in smaller ones.
    for (let step = 1 << 20; step >= 1024; step >>= 2) {
      while (this.freeBytes() > spareBytes + step && this.#take(step));
    }
    if (spareBytes === 0) while (this.#take(512));
  }

  /** Takes all inodes but so many. */
  takeInodes(spare = 0): void {
    for (;;) {
      const { ffree } = statfsSync(this.path)
      if (ffree <= spare) return
      closeSync(openSync(this.#nextBallast(), 'wx'))
    }
  }

  /** Gives back what was taken. */
  free(): void {
    for (const name of readdirSync(this.#ballastDirectory)) {
      if (name.startsWith(ballastPrefix)) rmSync(join(this.#ballastDirectory, name))
    }
  }

  freeBytes(): number {
    const { bfree, bsize } = statfsSync(this.path)
    return bfree * bsize
  }

  /** False if there was no room for all of it. */
  #take(bytes: number): boolean {
    let fd
    try {
      fd = openSync(this.#nextBallast(), 'wx')
    } catch {
      return false
    }
    try {
      const isWhole = writeSync(fd, Buffer.alloc(bytes, 1)) === bytes
      fsyncSync(fd)
      return isWhole
    } catch {
      return false
    } finally {
      closeSync(fd)
    }
  }

  #nextBallast(): string {
    return join(this.#ballastDirectory, `${ballastPrefix}${this.#ballast++}`)
  }
}

function makeFlags(kind: DiskKind, inodes: number | undefined): string[] {
  if (kind === 'ext4') return ['-q', '-F', ...(inodes === undefined ? [] : ['-N', String(inodes)])]
  return ['-q', '-f']
}

/** mkfs.btrfs looks at everything that is mounted, and gives up at a mount whose daemon a test beside this one has killed. */
async function makeFileSystem(kind: DiskKind, args: readonly string[]): Promise<void> {
  const deadline = Date.now() + 20_000
  for (;;) {
    const { code, stderr } = await run(`mkfs.${kind}`, args)
    if (code === 0) return
    if (!stderr.includes('not connected') || Date.now() > deadline) {
      throw new Error(`mkfs.${kind}: ${stderr}`)
    }
    await setTimeout(100)
  }
}
