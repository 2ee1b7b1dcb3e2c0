import { closeSync, fstatSync, ftruncateSync, readFileSync, writeSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { checked } from '../base/errno.js'
import { KeptDescriptors } from '../base/kept-descriptors.js'
import type { Native } from '../base/native.js'
import { sessionVersion } from '../view/session-records.js'
import type { MountOrder } from './mount-order.js'
import type { MountEntry } from './mount-table.js'

/** A mounted volume, as far as a successor can't find it out. Descriptors have the same numbers there. */
export interface VolumeEstate {
  id: string
  order: MountOrder
  entry: MountEntry
  mountedAtMs: number
  /** Somebody had files of the origin open for writing when it was mounted over. */
  hasWriters: boolean
  originFd: number
  originLockFd: number
  fuseFd: number
  /** Of the SessionLog. */
  sessionFd: number
}

/** What a daemon leaves to its successor beside the sessions. */
export interface Estate {
  version: number
  store: string
  storeFd: number
  storeLockFd: number
  runtimeDirectory: string
  volumes: VolumeEstate[]
}

export interface Takeovers {
  count: number
  last: { at: string; why: string } | undefined
}

const pageBytes = 4096
const magic = 0x62796731
/** More descriptors than this nobody has. */
const descriptorsCap = 1 << 20

/** SuccessionPage of native/core/supervisor.h, in words. */
const Word = {
  magic: 0,
  supervisor: 1,
  isEnding: 2,
  hasServed: 3,
  fruitless: 4,
  takeovers: 5,
  diedAt: 6,
  diedHow: 7,
  recordFd: 8,
  storeFd: 9,
  /** Which takeover is by a reload; the first is 1. */
  reload: 100,
} as const

/**
 * What outlives a daemon that dies: its supervisor, the descriptors that go to the successor, and what that has to
 * know. One a process.
 */
export class Succession {
  readonly kept: KeptDescriptors
  readonly pageFd: number
  readonly descriptorsMax: number
  readonly #native: Native
  readonly #page: Int32Array
  readonly #store: string
  #supervisor = 0

  private constructor(native: Native, store: string, pageFd: number, keepFd: number) {
    this.#native = native
    this.#store = store
    this.pageFd = pageFd
    this.descriptorsMax = fstatSync(keepFd).size
    this.kept = new KeptDescriptors(native, keepFd, this.descriptorsMax)
    this.#page = pageOf(native, pageFd)
    this.kept.keep(pageFd)
    this.kept.keep(keepFd)
  }

  /** A daemon's that is nobody's successor. */
  static create(native: Native, store: string): Succession {
    const descriptorsMax = Math.min(checked(native.raiseDescriptorLimit(), 'limit'), descriptorsCap)
    const pageFd = checked(native.memoryFile('bygone-succession'), 'memory')
    const keepFd = checked(native.memoryFile('bygone-kept'), 'memory')
    ftruncateSync(pageFd, pageBytes)
    ftruncateSync(keepFd, descriptorsMax)
    const succession = new Succession(native, store, pageFd, keepFd)
    succession.#set(Word.recordFd, -1)
    succession.#set(Word.storeFd, -1)
    succession.#set(Word.magic, magic)
    return succession
  }

  /** A successor's; throws if the predecessor was another version's. */
  static inherit(native: Native, store: string, pageFd: number, keepFd: number): Succession {
    const succession = new Succession(native, store, pageFd, keepFd)
    if (succession.#get(Word.magic) !== magic) throw new Error('not a succession page')
    return succession
  }

  get supervisor(): number {
    return this.#supervisor
  }

  get takeovers(): Takeovers {
    const count = this.#get(Word.takeovers)
    if (count === 0) return { count, last: undefined }
    const at = new Date((this.#get(Word.diedAt) >>> 0) * 1000).toISOString()
    const isReload = this.#get(Word.reload) === count
    return { count, last: { at, why: isReload ? 'reload' : endOf(this.#get(Word.diedHow)) } }
  }

  /** What a volume's thread needs of it. */
  get threadData(): { keepFd: number; descriptorsMax: number; pageFd: number } {
    return { keepFd: this.kept.fd, descriptorsMax: this.descriptorsMax, pageFd: this.pageFd }
  }

  /** Has a new supervisor watch over this process; it takes the place of the one before. */
  startSupervisor(): void {
    const program = fileURLToPath(new URL('./main.js', import.meta.url))
    const argv = [
      process.execPath,
      ...process.execArgv,
      program,
      this.#store,
      '--successor',
      `${this.pageFd},${this.kept.fd}`,
    ]
    const environment = Object.entries(process.env).map(([name, value]) => `${name}=${value ?? ''}`)
    const pid = this.#native.startSupervisor(this.pageFd, this.kept.fd, argv, environment)
    this.#supervisor = checked(pid, 'start the supervisor')
  }

  /** Whether there had to be another supervisor, since somebody has killed the one there was. */
  watchSupervisor(): boolean {
    if (this.#supervisor === 0 || this.#native.hasChildEnded(this.#supervisor) === 0) return false
    this.startSupervisor()
    return true
  }

  read(): Estate {
    const estate = JSON.parse(
      readFileSync(`/proc/self/fd/${this.#get(Word.recordFd)}`, 'utf8'),
    ) as Estate
    if (estate.version !== sessionVersion) {
      throw new Error(`the daemon before was of another version (${estate.version})`)
    }
    return estate
  }

  /** From now on a successor is told this. */
  write(estate: Omit<Estate, 'version'>): void {
    const fd = checked(this.#native.memoryFile('bygone-estate'), 'memory')
    writeSync(fd, JSON.stringify({ ...estate, version: sessionVersion }))
    this.kept.keep(fd)
    for (const each of [estate.storeFd, estate.storeLockFd]) this.kept.keep(each)
    this.#set(Word.storeFd, estate.storeFd)
    const former = Atomics.exchange(this.#page, Word.recordFd, fd)
    if (former < 0) return
    this.kept.drop(former)
    closeSync(former)
  }

  /** This daemon is going to end, and there shall be no successor. */
  end(): void {
    this.#set(Word.isEnding, 1)
  }

  /** The takeover that comes next is by a reload. */
  noteReload(): void {
    this.#set(Word.reload, this.#get(Word.takeovers) + 1)
  }

  /** The descriptors that are this thread's to keep. */
  own(estate: Estate): number[] {
    const { storeFd, storeLockFd } = estate
    const volumes = estate.volumes.flatMap(({ originFd, originLockFd, fuseFd, sessionFd }) => [
      originFd,
      originLockFd,
      fuseFd,
      sessionFd,
    ])
    return [this.pageFd, this.kept.fd, this.#get(Word.recordFd), storeFd, storeLockFd, ...volumes]
  }

  /** Closes what a predecessor had marked and nobody needs. */
  closeStray(needed: Iterable<number>): void {
    const all = new Set(needed)
    for (const fd of this.kept.all()) {
      if (all.has(fd)) continue
      this.kept.drop(fd)
      this.#native.close(fd)
    }
  }

  #get(word: number): number {
    return Atomics.load(this.#page, word)
  }

  #set(word: number, value: number): void {
    Atomics.store(this.#page, word, value)
  }
}

/** For a volume's thread: a request was answered, so this daemon is of use. */
export function servedNoter(native: Native, pageFd: number): () => void {
  const page = pageOf(native, pageFd)
  return () => {
    Atomics.store(page, Word.hasServed, 1)
  }
}

function pageOf(native: Native, fd: number): Int32Array {
  const memory = native.mapShared(fd, pageBytes)
  if (typeof memory === 'number') throw new Error(`can't map the succession page: ${memory}`)
  return new Int32Array(memory)
}

/** A status as of wait(2), in words. */
function endOf(status: number): string {
  if (status === -1) return 'it died'
  const signal = status & 0x7f
  return signal === 0 ? `exit code ${(status >> 8) & 0xff}` : `killed by signal ${signal}`
}
