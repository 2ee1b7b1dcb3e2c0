import { uptime } from 'node:os'
import { join } from 'node:path'
import { Failure } from '../base/failure.js'
import { faultPoint } from '../base/fault-point.js'
import type { Label } from '../base/ids.js'
import { instantOfMs, isLater } from '../base/instant.js'
import type { Instant } from '../base/instant.js'
import type { Disk } from './disk.js'
import { DurableJsonFile } from './durable-json-file.js'
import { FieldCheck, FieldError } from './field-check.js'
import { instantOfText, instantText, isInstantText } from './instant-text.js'
import { failureOfSystem } from './store-failure.js'

/** A time in which the origin was out of bygone's sight: after `start`, up to and with `end`. */
export interface Gap {
  readonly start: Instant
  readonly end: Instant
  /** Of the newest snapshot there was: it and all older ones may have lost something. */
  readonly label: Label
}

interface SessionsData {
  gaps: readonly Gap[]
  bootId: string
  /** The end of the last session, undefined while it lasts, or if nobody came to write it. */
  closedAt: Instant | undefined
  /** All records of the journal up to this number are on the disk. */
  journalSequence: number
}

const format = 'bygone-sessions'
const version = 2
const fileName = 'sessions.json'
/** The same once more, written first: for a repair, should the other be damaged. */
const copyName = 'sessions.copy.json'
const aliveName = 'alive'

/** How far ahead a session says that it may still be there, and how often it says so. */
const aliveAheadMs = 60_000
const aliveIntervalMs = 20_000

/**
 * When a volume was mounted, and so when it was not: sessions.json and `alive`, drawn in FORMAT.md.
 *
 * All times are by the clock of the origin's file system, so that they compare with its files' ctimes.
 * A session that was killed is taken to have lasted for longer than it did, never shorter: what it
 * changed itself must not look as if others had changed it.
 */
export class Sessions {
  readonly #disk: Disk
  readonly #directory: string
  readonly #bootId: string
  readonly #file: DurableJsonFile<unknown>
  readonly #copy: DurableJsonFile<unknown>
  #data: SessionsData | undefined
  #isOpen = false
  #clockAheadMs = 0
  #aliveSaidMs = -Infinity

  private constructor(
    disk: Disk,
    directory: string,
    bootId: string,
    data: SessionsData | undefined,
  ) {
    this.#disk = disk
    this.#directory = directory
    this.#bootId = bootId
    this.#file = new DurableJsonFile(disk, directory, fileName)
    this.#copy = new DurableJsonFile(disk, directory, copyName)
    this.#data = data
  }

  /** `directory`: STORE/volumes/<id>. Throws Failure. */
  static open(disk: Disk, directory: string, bootId: string): Sessions {
    const file = new DurableJsonFile(disk, directory, fileName)
    const read: unknown = reading(directory, () => file.read())
    const data = read === null ? undefined : reading(directory, () => checkedData(read))
    return new Sessions(disk, directory, bootId, data)
  }

  /**
   * Writes sessions.json anew, which is lost or damaged: from its copy; if that is lost too, so that snapshots up
   * to `newest` rely on nothing that was changed between `bornAt`, before the first of them, and `now`. Returns
   * whether there was a copy.
   */
  static restore(
    disk: Disk,
    directory: string,
    bootId: string,
    bornAt: Instant,
    now: Instant,
    newest: Label | 0,
  ): boolean {
    const copy = copyOf(disk, directory)
    const gaps = newest === 0 ? [] : [{ start: bornAt, end: now, label: newest }]
    const data = copy ?? { gaps, bootId, closedAt: now, journalSequence: 0 }
    new Sessions(disk, directory, bootId, undefined).#write(data)
    return copy !== undefined
  }

  /** False: there is no sessions.json. */
  get isKnown(): boolean {
    return this.#data !== undefined
  }

  /** False: the last session lasts, or was killed. */
  get isClosed(): boolean {
    return this.#data?.closedAt !== undefined
  }

  /** Of the machine's run in which the last session began that was not closed, if that is so. */
  get brokenOffIn(): string | undefined {
    return this.isClosed ? undefined : this.#data?.bootId
  }

  /** The file that a session which lasts keeps touching. */
  get hasAlive(): boolean {
    return this.#disk.stat(join(this.#directory, aliveName)) !== undefined
  }

  /** The journal has at least that many records, whatever else tells how many it had. */
  get journalSequence(): number {
    return this.#data?.journalSequence ?? 0
  }

  get gaps(): readonly Gap[] {
    return this.#data?.gaps ?? []
  }

  /**
   * A session begins at `now`. `oldest` and `newest` are labels of snapshots, 0 if there are none: gaps
   * that no snapshot can remember are forgotten. `journalSequence`: all records up to it are on the disk. Durable when it returns.
   */
  begin(now: Instant, oldest: Label | 0, newest: Label | 0, journalSequence = 0): void {
    const nowMs = Date.now()
    this.#clockAheadMs = now.sec * 1000 + now.nsec / 1e6 - nowMs
    const gaps = this.#gapsUntil(now, oldest, newest, nowMs)
    this.#isOpen = true
    this.#sayAlive()
    this.#write({ gaps, bootId: this.#bootId, closedAt: undefined, journalSequence })
  }

  /** The gaps if a session began at `now`; begins none. */
  gapsUntil(now: Instant, oldest: Label | 0, newest: Label | 0): readonly Gap[] {
    return this.#gapsUntil(now, oldest, newest, Date.now())
  }

  /** When the last session ended, or may have ended at the latest; undefined: there was none. */
  get lastEnd(): Instant | undefined {
    return this.#data && this.#endOfLast(this.#data, Date.now())
  }

  /** Times in which nobody can tell who changed what: records of the journal are lost. Durable when it returns. */
  addGaps(gaps: readonly Gap[]): void {
    if (this.#data === undefined || gaps.length === 0) return
    const texts = new Set(this.gaps.map((gap) => JSON.stringify(gap)))
    const added = gaps.filter((gap) => !texts.has(JSON.stringify(gap)))
    this.#write({ ...this.#data, gaps: [...this.gaps, ...added] })
  }

  /** The session that another process began lasts, and is this one's now. */
  resume(now: Instant): void {
    this.#clockAheadMs = now.sec * 1000 + now.nsec / 1e6 - Date.now()
    this.#isOpen = true
    this.#sayAlive()
  }

  /** Keeps saying that the session lasts; cheap, to be called every few seconds. Tries again if it could not. */
  keepAlive(): void {
    if (!this.#isOpen || performance.now() - this.#aliveSaidMs < aliveIntervalMs) return
    try {
      this.#sayAlive()
    } catch (error) {
      if (!(error instanceof Failure)) throw error
    }
  }

  /** The session ended at `now`, when nothing was changed any more. Durable when it returns. */
  end(now: Instant, journalSequence = 0): void {
    this.#isOpen = false
    this.#write({ gaps: this.gaps, bootId: this.#bootId, closedAt: now, journalSequence })
  }

  #gapsUntil(now: Instant, oldest: Label | 0, newest: Label | 0, nowMs: number): Gap[] {
    const gaps = this.gaps.filter(({ label }) => oldest !== 0 && label >= oldest)
    const start = this.#data === undefined ? undefined : this.#endOfLast(this.#data, nowMs)
    // A clock that was set back leaves nothing to compare with.
    if (start !== undefined && newest !== 0 && isLater(now, start)) {
      gaps.push({ start, end: now, label: newest })
    }
    return gaps
  }

  #endOfLast({ closedAt, bootId }: SessionsData, nowMs: number): Instant | undefined {
    if (closedAt !== undefined) return closedAt
    // The machine went down: all that the session did was before it came up again.
    if (bootId !== this.#bootId) return this.#onOriginsClock(nowMs - uptime() * 1000)
    try {
      // Without `alive` it may have ended right after it had begun.
      const stat = (name: string) => this.#disk.stat(join(this.#directory, name))
      const alive = stat(aliveName) ?? stat(fileName)
      return alive && instantOfMs(alive.mtimeMs)
    } catch (error) {
      throw failureOfSystem(error, 'see when the volume was last mounted')
    }
  }

  #sayAlive(): void {
    const path = join(this.#directory, aliveName)
    try {
      this.#disk.close(this.#disk.open(path, 'make'))
      const until = this.#onOriginsClock(Date.now() + aliveAheadMs).sec
      this.#disk.setTimes(path, until)
      this.#aliveSaidMs = performance.now()
      faultPoint('session.alive')
    } catch (error) {
      throw failureOfSystem(error, `write ${path}`)
    }
  }

  #onOriginsClock(ms: number): Instant {
    return instantOfMs(ms + this.#clockAheadMs)
  }

  #write(data: SessionsData): void {
    this.#data = data
    const { gaps, bootId, closedAt, journalSequence } = data
    const stored = {
      format,
      version,
      bootId,
      journalSequence,
      closedAt: closedAt === undefined ? null : instantText(closedAt),
      gaps: gaps.map(({ start, end, label }) => ({
        start: instantText(start),
        end: instantText(end),
        label,
      })),
    }
    try {
      this.#copy.write(stored)
      this.#file.write(stored)
    } catch (error) {
      throw failureOfSystem(error, `write ${join(this.#directory, fileName)}`)
    }
  }
}

function copyOf(disk: Disk, directory: string): SessionsData | undefined {
  try {
    const read: unknown = new DurableJsonFile(disk, directory, copyName).read()
    return read === null ? undefined : checkedData(read)
  } catch (error) {
    if (error instanceof FieldError || error instanceof SyntaxError) return undefined
    throw error
  }
}

function reading<T>(directory: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    const path = join(directory, fileName)
    if (!(error instanceof FieldError || error instanceof SyntaxError)) {
      throw error instanceof Failure ? error : failureOfSystem(error, `read ${path}`)
    }
    throw new Failure(
      'damaged',
      `damaged ${path}: ${error.message}; \`bygone check --repair\` restores it`,
    )
  }
}

function checkedData(data: unknown): SessionsData {
  const fields = new FieldCheck('', data)
  fields.text('format', (text) => text === format)
  const found = fields.integer('version', 1)
  if (found > version) {
    throw new Failure(
      'failed',
      `${fileName} has version ${found}, this bygone knows up to ${version}: use a newer bygone`,
    )
  }
  const bootId = fields.text('bootId')
  const journalSequence = found === 1 ? 0 : fields.integer('journalSequence', 0)
  const closedAt = fields.textOrNull('closedAt', isInstantText)
  const gaps = fields.list('gaps', (where, value) => {
    const gap = new FieldCheck(where, value)
    const start = instantOfText(gap.text('start', isInstantText))
    const end = instantOfText(gap.text('end', isInstantText))
    const label = gap.integer('label', 1) as Label
    gap.end()
    return { start, end, label }
  })
  fields.end()
  const closed = closedAt === null ? undefined : instantOfText(closedAt)
  return { gaps, bootId, closedAt: closed, journalSequence }
}
