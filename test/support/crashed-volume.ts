import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { VolumeStore, type VolumeStoreOptions } from '../../src/store/volume-store.js'
import { temporaryDirectory } from './store-fixture.js'
import { StoreProcess } from './store-process.js'

const indexFiles = ['data.mdb', 'state']

/**
 * The files of a volume whose process was killed, to be damaged and recovered many times: restore()
 * puts them back in place, so that they remain the very same files to whoever checks that.
 */
export class CrashedVolume {
  readonly root = temporaryDirectory()
  readonly directory = join(this.root, 'volume')
  readonly journal = join(this.directory, 'journal')
  readonly index = join(this.directory, 'index')
  readonly #saved = new Map<string, Buffer>()

  /** Steps [0, steps) of the story are committed, those up to 7, 47, 87, ... also indexed. */
  static async make(options: {
    steps: number
    durability?: 'ordered' | 'strict'
    segmentBytesMax?: number
  }): Promise<CrashedVolume> {
    const volume = new CrashedVolume()
    const child = new StoreProcess({ ...options, directory: volume.root, end: options.steps })
    await child.said('end')
    await child.kill()
    volume.#save()
    return volume
  }

  segments(): string[] {
    return readdirSync(this.journal)
      .filter((name) => name !== 'reserve')
      .sort()
  }

  segment(name: string): Buffer {
    return readFileSync(join(this.journal, name))
  }

  /** Replaces a segment's bytes, in place. */
  write(name: string, bytes: Buffer): void {
    writeFileSync(join(this.journal, name), bytes)
  }

  /** The index without its state, which says what the journal must have. */
  loseIndexData(): void {
    rmSync(join(this.index, 'data.mdb'), { force: true })
  }

  open(options: Partial<VolumeStoreOptions> = {}): VolumeStore {
    return VolumeStore.open({ directory: this.directory, durability: 'ordered', ...options })
  }

  /** As the kill left it, apart from an index that was lost. */
  restore(): void {
    for (const name of this.segments()) {
      if (!this.#saved.has(join(this.journal, name))) rmSync(join(this.journal, name))
    }
    for (const [path, bytes] of this.#saved) writeFileSync(path, bytes)
  }

  #save(): void {
    const paths = [
      ...this.segments().map((name) => join(this.journal, name)),
      ...indexFiles.map((name) => join(this.index, name)),
    ]
    for (const path of paths) this.#saved.set(path, readFileSync(path))
  }
}

/** Where each record of a segment starts, and at last where they end. */
export function recordStarts(segment: Buffer): number[] {
  const starts = [64]
  for (let at = 64; at < segment.length;) {
    at += 40 + segment.readUInt32LE(at + 24) + segment.readUInt32LE(at + 28)
    starts.push(at)
  }
  return starts
}

/** What the record says was durable when it was written. */
export function durableSequenceAt(segment: Buffer, start: number): number {
  return segment.readUInt32LE(start + 16)
}
