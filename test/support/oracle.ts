import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Actor, ActorGone, type Operation, type Outcome } from './actor.js'
import {
  type Abilities,
  allAbilities,
  type GeneratedOperation,
  OperationGenerator,
} from './operation-generator.js'
import { Random } from './random.js'
import { type Aspect, differencesOf, summary, type TreeEntry } from './tree.js'

/** What the oracle needs of a volume: bygone's, or a plain imitation to test the oracle itself. */
export interface VolumeUnderTest {
  /** The directory that operations change. */
  readonly live: string
  /** The same tree without bygone in between. */
  readonly plain: string
  readonly hiddenInRoot: string[]
  snapshot(random: Random): Promise<string>
  /** Names of the newest ones, oldest first. */
  snapshots(): Promise<string[]>
  deleteSnapshot(name: string): Promise<void>
  /** What deleted ones have left is gone when it resolves. */
  sweep(): Promise<void>
  snapshotPath(name: string): string
  remount(): Promise<void>
  kill(): void
  mountAgain(): Promise<void>
  newActor(): Actor
}

/** One system call each, which can't stop half way. */
const atOnce = new Set([
  ...['rename', 'link', 'unlink', 'mkdir', 'rmdir', 'chmod', 'chown', 'utimes'],
  ...['setxattr', 'removexattr', 'symlink', 'mknod', 'truncate'],
])
/** A file that was to be replaced may have got its second name in the store, where the origin counts it. */
const refusalLeaves: readonly Aspect[] = ['linkCounts', 'ctime']

interface Record {
  name: string
  entries: TreeEntry[]
  /** How many operations had run before. */
  after: number
}

/** Something is not as it must be, whatever was killed. */
export class Mismatch extends Error {
  override readonly name = 'Mismatch'
}

/** What a kill has cut off: an operation on these paths, or a snapshot of this tree. */
interface Interrupted {
  touches: readonly string[]
  tree: TreeEntry[] | undefined
  /** A snapshot that may be deleted, or not. */
  deleted?: Record
}

/** Beside operations. `delete`: a snapshot of some. */
export type Step =
  GeneratedOperation | Operation | 'snapshot' | 'delete' | 'delete oldest' | 'sweep'

export interface OracleOptions {
  seed: number
  chunkBytes: number
  abilities?: Abilities
  /** A directory of the oracle's own on a plain file system. */
  directory: string
  /** What a snapshot or the live tree can't show. */
  without?: readonly Aspect[]
  /** What the live tree shows otherwise than the origin has it. */
  unlikeOrigin?: readonly Aspect[]
  log?: (line: string) => void
}

/**
 * Runs random operations on a volume and, one for one, on a mirror in a plain directory, and compares
 * what each said. At each snapshot it keeps the tree aside (a fingerprint of every entry and a
 * copy of every content); every snapshot must equal that for ever after.
 */
export class Oracle {
  readonly #volume: VolumeUnderTest
  readonly #options: OracleOptions
  readonly #random: Random
  readonly #generator: OperationGenerator
  readonly #mirror: string
  readonly #kept: string
  #records: Record[] = []
  /** The last operations, newest last: a failure tells them. */
  readonly #story: string[] = []
  #actor: Actor
  #count = 0
  #bytesCompared = 0
  #interrupted: Interrupted | undefined

  constructor(volume: VolumeUnderTest, options: OracleOptions) {
    this.#volume = volume
    this.#options = options
    this.#random = new Random(options.seed)
    this.#generator = new OperationGenerator(
      this.#random,
      options.chunkBytes,
      options.abilities ?? allAbilities,
    )
    this.#mirror = join(options.directory, 'mirror')
    this.#kept = join(options.directory, 'kept')
    for (const path of [this.#mirror, this.#kept]) mkdirSync(path, { mode: 0o755 })
    this.#actor = volume.newActor()
  }

  get operations(): number {
    return this.#count
  }

  /** Of files in snapshots, without their holes. */
  get bytesCompared(): number {
    return this.#bytesCompared
  }

  get snapshots(): number {
    return this.#records.length
  }

  /** Operations that must say the same on the mount and on the mirror. */
  async operate(count: number): Promise<void> {
    for (let left = count; left > 0; left--) await this.#step(this.#generator.next())
  }

  async snapshot(): Promise<void> {
    const before = await this.#fingerprint(this.#volume.plain)
    const name = await this.#volume.snapshot(this.#random)
    this.#tell(`snapshot ${name}`)
    const origin = await this.#fingerprint(this.#volume.plain)
    this.#mustEqual(origin, before, 'the origin after a snapshot')
    const entries = await this.#fingerprint(this.#volume.live)
    // A removed name of a file that a snapshot needs goes on in the store, where the origin counts it.
    const { without = [], unlikeOrigin = [] } = this.#options
    const except: Aspect[] = [...without, ...unlikeOrigin, 'linkCounts']
    this.#mustEqual(entries, origin, 'the live tree, against the origin,', except)
    this.#records.push({ name, entries, after: this.#count })
    await this.#compareWithMirror()
    await this.#verify(this.#records.at(-1))
  }

  /** Any but the last ones; it must be gone, and all others stay. */
  async deleteOne(): Promise<void> {
    await this.#deleteUntilKilled(() => false)
    const there = await this.#volume.snapshots()
    const known = this.#records.map(({ name }) => name)
    if (there.join() !== known.join()) throw this.#failure(`snapshots: ${there.join(' ')}`)
  }

  /**
   * Operations while a disk is full: they succeed or say so, and what was to happen at once has not happened
   * by half. Returns how many were refused. The mirror begins anew after them.
   */
  async operateOnFullDisk(count: number): Promise<number> {
    for (const closing of this.#generator.closeAll()) await this.#step(closing)
    let refused = 0
    for (let left = count; left > 0; left--) {
      const { op, happened } = this.#generator.next()
      this.#count++
      this.#tell(JSON.stringify(op))
      const isAtOnce = atOnce.has(op.do)
      const before = isAtOnce ? await this.#fingerprint(this.#volume.plain) : []
      const said = await this.#actor.attempt(this.#volume.live, op)
      if (said.errno === undefined) happened()
      if (said.errno === 'EIO') throw this.#failure(`the mount says ${JSON.stringify(said)}`)
      if (said.errno !== 'ENOSPC' && said.errno !== 'EDQUOT') continue
      this.#tell('refused')
      refused++
      if (!isAtOnce) continue
      const after = await this.#fingerprint(this.#volume.plain)
      const except = [...(this.#options.without ?? []), ...refusalLeaves]
      this.#mustEqual(after, before, 'the origin after a refusal', except)
    }
    for (const closing of this.#generator.closeAll()) {
      await this.#actor.attempt(this.#volume.live, closing.op)
      closing.happened()
    }
    await this.#adoptOrigin()
    return refused
  }

  /** Any one of the snapshots. */
  async verifyOne(): Promise<void> {
    await this.#verify(this.#records[this.#random.below(this.#records.length)])
  }

  async verifyAll(): Promise<void> {
    await this.#verifySome(Infinity)
  }

  async remount(): Promise<void> {
    for (const closing of this.#generator.closeAll()) await this.#step(closing)
    this.#tell('unmount, mount')
    await this.#volume.remount()
    await this.#compareWithMirror()
  }

  /**
   * Carries out operations, and snapshots, until a kill cuts one off; returns whether one did. Errors
   * are the kill's if `isKilled`. Afterwards, `recover`.
   */
  async runUntilKilled(steps: Iterable<Step>, isKilled: () => boolean): Promise<boolean> {
    for (const step of steps) {
      if (step === 'snapshot') await this.#snapshotUntilKilled(isKilled)
      else if (step === 'delete') await this.#deleteUntilKilled(isKilled)
      else if (step === 'delete oldest') await this.#deleteUntilKilled(isKilled, true)
      else if (step === 'sweep') await this.#sweepUntilKilled(isKilled)
      else await this.#operateUntilKilled(isDrawn(step) ? step : asGenerated(step), isKilled)
      if (this.#interrupted !== undefined) return true
    }
    return false
  }

  /** Operations, each drawn when it is its turn, and a snapshot. */
  *someSteps(operations: number): Iterable<Step> {
    for (let left = operations; left > 0; left--) yield this.#generator.next()
    yield 'snapshot'
  }

  /** Closes what operations have left open: else nothing can be unmounted. */
  closings(): Iterable<Step> {
    return this.#generator.closeAll()
  }

  /**
   * After a kill: mounts again if that has not been done; all must be there but what was cut off. May
   * itself be cut off by a kill, and done again. `verifiedMax`: so many snapshots are compared, the
   * newest among them.
   */
  async recover(
    mountAgain = () => this.#volume.mountAgain(),
    verifiedMax = Infinity,
  ): Promise<void> {
    const nothing: Interrupted = { touches: [], tree: undefined }
    const { touches, tree, deleted } = this.#interrupted ?? nothing
    await this.#afterKill()
    await mountAgain()
    if (this.#actor.isGone) this.#actor = this.#volume.newActor()
    const known = new Set(this.#records.map(({ name }) => name))
    const there = await this.#volume.snapshots()
    if (deleted !== undefined && !there.includes(deleted.name)) this.#drop(deleted)
    const added = there.filter((name) => !known.has(name))
    const [name] = added
    if (added.length > (tree === undefined ? 0 : 1)) {
      throw this.#failure(`snapshots that nobody took: ${added.join(' ')}`)
    }
    if (name !== undefined && tree !== undefined) {
      this.#records.push({ name, entries: tree, after: this.#count })
    }
    await this.#compareWithMirror(touches)
    await this.#verifySome(verifiedMax)
    if (touches.length > 0) await this.#adoptOrigin()
    this.#interrupted = undefined
  }

  /**
   * Kills the daemon at a random instant while operations run. What had been answered must be there;
   * the one under way may have happened, or not, or in part.
   */
  async killWhileOperating(): Promise<void> {
    const delayMs = this.#random.between(0, 150)
    let isKilled = false
    const timer = setTimeout(() => {
      isKilled = true
      this.#volume.kill()
    }, delayMs)
    let interrupted: GeneratedOperation | undefined
    try {
      while (interrupted === undefined) {
        const operation = this.#generator.next()
        if ((await this.#step(operation, () => isKilled)) === 'interrupted') interrupted = operation
      }
    } finally {
      clearTimeout(timer)
    }
    this.#tell(`killed after ${delayMs} ms`)
    this.#interrupted = { touches: interrupted.touches, tree: undefined }
    await this.recover()
  }

  /** Kills the daemon while nothing runs. */
  async killAtRest(): Promise<void> {
    this.#tell('killed at rest')
    this.#volume.kill()
    await this.#afterKill()
    await this.#volume.mountAgain()
    await this.#compareWithMirror()
  }

  async stop(): Promise<void> {
    await this.#actor.stop()
  }

  async #step(
    operation: GeneratedOperation,
    isKilled: () => boolean = () => false,
  ): Promise<'done' | 'interrupted'> {
    const { op, happened } = operation
    this.#count++
    this.#tell(JSON.stringify(op))
    let said: { live: Outcome; mirror: Outcome | null }
    try {
      const { live, plain } = { live: this.#volume.live, plain: this.#mirror }
      said = await this.#actor.ask('perform', { op, live, mirror: plain })
    } catch (error) {
      // A mapped page of a dead mount is SIGBUS.
      if (error instanceof ActorGone && isKilled()) return 'interrupted'
      throw this.#failure(String(error))
    }
    if (said.mirror === null) {
      if (isKilled()) return 'interrupted'
      throw this.#failure(`the mount is gone: ${JSON.stringify(said.live)}`)
    }
    if (JSON.stringify(said.live) !== JSON.stringify(said.mirror)) {
      // A request whose answer the kill swallowed may show as any error.
      if (isKilled() && said.live.errno === 'EIO') return 'interrupted'
      const both = `the mount says ${JSON.stringify(said.live)}, a plain file system ${JSON.stringify(said.mirror)}`
      throw this.#failure(both)
    }
    if (said.live.errno === undefined) happened()
    return 'done'
  }

  async #operateUntilKilled(operation: GeneratedOperation, isKilled: () => boolean): Promise<void> {
    if ((await this.#step(operation, isKilled)) === 'interrupted') {
      this.#interrupted = { touches: operation.touches, tree: undefined }
    }
  }

  async #snapshotUntilKilled(isKilled: () => boolean): Promise<void> {
    this.#tell('snapshot')
    let tree: TreeEntry[] | undefined
    try {
      tree = await this.#fingerprint(this.#volume.live)
      const name = await this.#volume.snapshot(this.#random)
      this.#records.push({ name, entries: tree, after: this.#count })
    } catch (error) {
      if (error instanceof Mismatch) throw error
      if (!isKilled()) throw this.#failure(String(error))
      this.#interrupted = { touches: [], tree }
    }
  }

  /** The newest and the oldest are the special ones; some are kept for later. */
  async #deleteUntilKilled(isKilled: () => boolean, isOldest = false): Promise<void> {
    if (this.#records.length < 4) return
    const middle = this.#records[this.#random.below(this.#records.length)]
    const any = this.#random.pick([this.#records.at(0), this.#records.at(-1), middle])
    const record = isOldest ? this.#records.at(0) : any
    if (record === undefined) return
    this.#tell(`delete ${record.name}`)
    try {
      await this.#volume.deleteSnapshot(record.name)
      this.#drop(record)
    } catch (error) {
      if (!isKilled()) throw this.#failure(String(error))
      this.#interrupted = { touches: [], tree: undefined, deleted: record }
    }
  }

  async #sweepUntilKilled(isKilled: () => boolean): Promise<void> {
    this.#tell('sweep')
    try {
      await this.#volume.sweep()
    } catch (error) {
      if (!isKilled()) throw this.#failure(String(error))
      this.#interrupted = { touches: [], tree: undefined }
    }
  }

  /** No matter whether it is there: a recovery that was killed is done again. */
  #drop(record: Record): void {
    this.#records = this.#records.filter((each) => each !== record)
  }

  async #afterKill(): Promise<void> {
    this.#generator.forgetHandles()
    if (!this.#actor.isGone) await this.#actor.ask('forgetHandles', {})
  }

  async #verifySome(countMax: number): Promise<void> {
    const newest = this.#records.slice(-Math.ceil(countMax / 2))
    const older = this.#records.slice(0, -newest.length || undefined)
    for (const record of newest) await this.#verify(record)
    if (countMax === Infinity) return
    for (let left = countMax - newest.length; left > 0 && older.length > 0; left--) {
      await this.#verify(this.#random.pick(older))
    }
  }

  async #verify(record: Record | undefined): Promise<void> {
    if (record === undefined) return
    const path = this.#volume.snapshotPath(record.name)
    const entries = await this.#fingerprint(path)
    for (const { size = 0, blocks = 0 } of entries) {
      this.#bytesCompared += Math.min(size, blocks * 512)
    }
    const differences = differencesOf(entries, record.entries, this.#options.without)
    if (differences.length === 0) return
    const where = await this.#whereBytesDiffer(path, entries, record.entries)
    const what = `snapshot ${record.name} (taken after ${record.after} operations)`
    throw this.#failure(`${what} is not as it was:\n${summary(differences)}\n${where}`)
  }

  async #compareWithMirror(except: readonly string[] = []): Promise<void> {
    const mirror = await this.#fingerprint(this.#mirror)
    const live = await this.#fingerprint(this.#volume.live)
    const skip = new Set<string>()
    // The interrupted operation's files, under all their names.
    for (const entries of [live, mirror]) {
      const touched = entries.filter(({ path }) => except.some((top) => isWithin(path, top)))
      const inodes = new Set(touched.map(({ ino }) => ino))
      for (const { path, ino } of entries) if (inodes.has(ino)) skip.add(path)
    }
    const left = (entries: TreeEntry[]) => entries.filter(({ path }) => !skip.has(path))
    // Link counts stay out too: an interrupted link or unlink changes them for other names.
    const without: Aspect[] = ['mtime', 'ctime', 'blocks', ...(this.#options.without ?? [])]
    if (except.length > 0) without.push('linkGroups', 'linkCounts')
    this.#mustEqual(left(live), left(mirror), 'the live tree against the mirror', without)
    this.#generator.model.replaceBy(mirror)
  }

  /** After an interrupted operation nobody knows what the mirror should hold: it begins anew. */
  async #adoptOrigin(): Promise<void> {
    await this.#actor.python(
      `shutil.rmtree(given['mirror'])
os.mkdir(given['mirror'])
plain, mirror = given['plain'].encode(), given['mirror'].encode()
tops = [b'./' + name for name in os.listdir(plain) if name != b'.bygone']
if tops:
    subprocess.run([b'cp', b'-a', b'--sparse=always', *tops, mirror], check=True, cwd=plain)
shutil.copystat(plain, mirror)
os.chown(mirror, os.stat(plain).st_uid, os.stat(plain).st_gid)`,
      { mirror: this.#mirror, plain: this.#volume.plain },
      60_000,
    )
    await this.#compareWithMirror()
  }

  async #fingerprint(root: string): Promise<TreeEntry[]> {
    return this.#actor.fingerprint(root, this.#volume.hiddenInRoot, this.#kept)
  }

  #mustEqual(
    got: TreeEntry[],
    wanted: TreeEntry[],
    what: string,
    without?: readonly Aspect[],
  ): void {
    const differences = differencesOf(got, wanted, without)
    if (differences.length > 0) {
      throw this.#failure(`${what} differs:\n${summary(differences)}`)
    }
  }

  async #whereBytesDiffer(root: string, got: TreeEntry[], wanted: TreeEntry[]): Promise<string> {
    const wantedBytes = new Map(wanted.map(({ path, bytes }) => [path, bytes]))
    const differing = got.find(({ path, bytes }) => {
      const other = wantedBytes.get(path)
      return other !== undefined && other !== bytes
    })
    if (differing === undefined) return ''
    const kept = join(this.#kept, wantedBytes.get(differing.path) ?? '')
    const blocks = await this.#actor
      .ask('differingBlocks', { path: `${root}/${differing.path}`, kept })
      .catch((error: unknown) => String(error))
    return `${JSON.stringify(differing.path)} [offset, is, was]: ${JSON.stringify(blocks)}`
  }

  #tell(line: string): void {
    this.#options.log?.(`${this.#count} ${line}`)
    this.#story.push(`${this.#count} ${line.length > 300 ? `${line.slice(0, 300)}...` : line}`)
    if (this.#story.length > 12) this.#story.shift()
  }

  #failure(what: string): Error {
    const story = this.#story.join('\n')
    return new Mismatch(
      `BYGONE_SEED=${this.#options.seed}: ${what}\nThe last operations:\n${story}`,
    )
  }
}

function isDrawn(step: GeneratedOperation | Operation): step is GeneratedOperation {
  return typeof step.happened === 'function'
}

/** One that was not drawn but written down. */
function asGenerated(op: Operation): GeneratedOperation {
  const touches = ['path', 'from', 'to', 'temporary'].flatMap((key) => {
    const path = op[key]
    return typeof path === 'string' ? [path] : []
  })
  return { op, touches, happened: () => undefined }
}

function isWithin(path: string, top: string): boolean {
  return path === top || path.startsWith(`${top}/`)
}
