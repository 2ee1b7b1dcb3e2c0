import type { Actor } from './actor.js'
import type { VolumeUnderTest } from './oracle.js'
import type { Random } from './random.js'
import { hiddenInRoot, type TestVolume } from './test-volume.js'

/** A bygone volume as the oracle wants it: snapshots by mkdir, or by chance by the command line. */
export class OracleVolume implements VolumeUnderTest {
  readonly hiddenInRoot = hiddenInRoot
  readonly #volume: TestVolume
  readonly #byCommand: number
  #tagNext = 1
  /** How the command line is used; a request is answered whatever becomes of the daemon, a command may not be. */
  runCommand: <T>(command: () => Promise<T>) => Promise<T> = (command) => command()

  /** `byCommand`: the probability of a snapshot by the command line. */
  constructor(volume: TestVolume, byCommand = 0.5) {
    this.#volume = volume
    this.#byCommand = byCommand
  }

  get live(): string {
    return this.#volume.live
  }

  get plain(): string {
    return this.#volume.plain
  }

  async snapshot(random: Random): Promise<string> {
    if (random.isLikely(this.#byCommand)) return this.runCommand(() => this.#volume.snapshot())
    const made = await this.#volume.actor.python(
      `os.mkdir(given['live'] + '/.snapshots/' + given['tag'])
result = max(name for name in os.listdir(given['live']) if name.startswith('@GMT-'))`,
      { live: this.live, tag: `tag-${this.#tagNext++}` },
    )
    if (made.errno !== undefined) throw new Error(`mkdir in .snapshots: ${made.errno}`)
    return made.ok as string
  }

  async snapshots(): Promise<string[]> {
    const lines =
      "result = sorted(name for name in os.listdir(given['live']) if name[:5] == '@GMT-')"
    return (await this.#volume.actor.python(lines, { live: this.live })).ok as string[]
  }

  async deleteSnapshot(name: string): Promise<void> {
    const plain = name.replace('@GMT-', '').replace(/^(\d+)\.(\d+)\.(\d+)-/, '$1-$2-$3_')
    const path = `${this.live}/.snapshots/${plain}`
    const removed = await this.#volume.actor.python("os.rmdir(given['path'])", { path })
    if (removed.errno !== undefined) throw new Error(`rmdir ${path}: ${removed.errno}`)
  }

  async sweep(): Promise<void> {
    await this.runCommand(() => this.#volume.succeed('gc', this.live))
  }

  snapshotPath(name: string): string {
    return this.#volume.snapshotPath(name)
  }

  async remount(): Promise<void> {
    await this.#volume.remount()
  }

  kill(): void {
    this.#volume.kill()
  }

  async mountAgain(): Promise<void> {
    await this.#volume.hasDied()
    await this.#volume.mount()
  }

  newActor(): Actor {
    return this.#volume.newActor()
  }
}
