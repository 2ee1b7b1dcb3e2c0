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
}

const format = 'bygone-sessions'
const version = 1
const fileName = 'sessions.json'
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
    this.#data = data
  }

  /** `directory`: STORE/volumes/<id>. Throws Failure. */
  static open(disk: Disk, directory: string, bootId: string): Sessions {
    const file = new DurableJsonFile(disk, directory, fileName)
    const read: unknown = reading(directory, () => file.read())
    const data = read === null ? undefined : reading(directory, () => checkedData(read))
    return new Sessions(disk, directory, bootId, data)
  }

  get gaps(): readonly Gap[] {
    return this.#data?.gaps ?? []
  }

  /**
   * A session begins at `now`. `oldest` and `newest` are labels of snapshots, 0 if there are none: gaps
   * that no snapshot can remember are forgotten. Durable when it returns.
   */
  begin(now: Instant, oldest: Label | 0, newest: Label | 0): void {
    const nowMs = Date.now()
    this.#clockAheadMs = now.sec * 1000 + now.nsec / 1e6 - nowMs
    const gaps = this.gaps.filter(({ label }) => oldest !== 0 && label >= oldest)
    const start = this.#data === undefined ? undefined : this.#endOfLast(this.#data, nowMs)
    // A clock that was set back leaves nothing to compare with.
    if (start !== undefined && newest !== 0 && isLater(now, start)) {
      gaps.push({ start, end: now, label: newest })
    }
    this.#isOpen = true
    this.#sayAlive()
    this.#write({ gaps, bootId: this.#bootId, closedAt: undefined })
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
  end(now: Instant): void {
    this.#isOpen = false
    this.#write({ gaps: this.gaps, bootId: this.#bootId, closedAt: now })
  }

  #endOfLast({ closedAt, bootId }: SessionsData, nowMs: number): Instant | undefined {
    if (closedAt !== undefined) return closedAt
    // The machine went down: all that the session did was before it came up again.
    if (bootId !== this.#bootId) return this.#onOriginsClock(nowMs - uptime() * 1000)
    try {
      const alive = this.#disk.stat(join(this.#directory, aliveName))
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
    const { gaps, bootId, closedAt } = data
    try {
      this.#file.write({
        format,
        version,
        bootId,
        closedAt: closedAt === undefined ? null : textOf(closedAt),
        gaps: gaps.map(({ start, end, label }) => ({
          start: textOf(start),
          end: textOf(end),
          label,
        })),
      })
    } catch (error) {
      throw failureOfSystem(error, `write ${join(this.#directory, fileName)}`)
    }
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
      `damaged ${path}: ${error.message}; restore it from a copy, or remove it: what was changed in the ` +
        `origin while it was not mounted then goes unnoticed`,
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
  const closedAt = fields.textOrNull('closedAt', isInstant)
  const gaps = fields.list('gaps', (where, value) => {
    const gap = new FieldCheck(where, value)
    const start = instantOf(gap.text('start', isInstant))
    const end = instantOf(gap.text('end', isInstant))
    const label = gap.integer('label', 1) as Label
    gap.end()
    return { start, end, label }
  })
  fields.end()
  return { gaps, bootId, closedAt: closedAt === null ? undefined : instantOf(closedAt) }
}

function isInstant(text: string): boolean {
  return /^-?\d{1,15}\.\d{9}$/.test(text)
}

function textOf({ sec, nsec }: Instant): string {
  return `${sec}.${String(nsec).padStart(9, '0')}`
}

function instantOf(text: string): Instant {
  const [sec, nsec] = text.split('.')
  return { sec: Number(sec), nsec: Number(nsec) }
}
