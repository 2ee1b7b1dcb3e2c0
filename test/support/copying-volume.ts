import { existsSync, mkdirSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { Actor } from './actor.js'
import { succeed } from './command.js'
import { sweep, temporaryPrefix } from './leftovers.js'
import type { VolumeUnderTest } from './oracle.js'

/** The simplest snapshots there are, `cp -a`: to test the oracle with, where nothing is mounted. */
export class CopyingVolume implements VolumeUnderTest {
  readonly directory: string
  readonly live: string
  readonly plain: string
  readonly hiddenInRoot = []
  #count = 0
  #actors: Actor[] = []

  constructor() {
    this.directory = mkdtempSync(join(tmpdir(), temporaryPrefix()))
    this.live = join(this.directory, 'live')
    this.plain = this.live
    mkdirSync(this.live, { mode: 0o755 })
    onTestFinished(async () => {
      for (const actor of this.#actors) await actor.stop()
      sweep(this.directory)
    })
  }

  newActor(): Actor {
    const actor = new Actor(() => undefined)
    this.#actors.push(actor)
    return actor
  }

  async snapshot(): Promise<string> {
    const name = `snapshot-${++this.#count}`
    const path = this.snapshotPath(name)
    await succeed('cp', ['-a', '--sparse=always', this.live, path])
    return name
  }

  snapshots(): Promise<string[]> {
    const names = Array.from({ length: this.#count }, (_, at) => `snapshot-${at + 1}`)
    return Promise.resolve(names.filter((name) => existsSync(this.snapshotPath(name))))
  }

  async deleteSnapshot(name: string): Promise<void> {
    await succeed('rm', ['-rf', '--one-file-system', this.snapshotPath(name)])
  }

  sweep(): Promise<void> {
    return Promise.resolve()
  }

  snapshotPath(name: string): string {
    return join(this.directory, name)
  }

  remount(): Promise<void> {
    return Promise.resolve()
  }

  kill(): void {
    throw new Error('nothing to kill')
  }

  mountAgain(): Promise<void> {
    return Promise.resolve()
  }
}
