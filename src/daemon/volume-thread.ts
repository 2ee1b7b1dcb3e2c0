import { Worker } from 'node:worker_threads'
import type { ErrnoCode } from '../base/errno.js'
import { Failure } from '../base/failure.js'
import type { Label, ObjectId } from '../base/ids.js'
import type { Native } from '../base/native.js'
import type { SnapshotRecord } from '../store/snapshot-record.js'
import type { Log } from './daemon-log.js'
import { PendingAnswers } from './pending-answers.js'
import type {
  FromVolumeThread,
  SweepHow,
  SweepProgress,
  ThreadStatus,
  ToVolumeThread,
  VolumeThreadData,
  Wanted,
} from './thread-protocol.js'

export interface VolumeThreadEvents {
  log: Log
  /** `mkdir .snapshots/TAG`, `rmdir .snapshots/NAME`: the request is parked until `answerWanted`. */
  onWanted: (what: Wanted, name: string) => void
  /** Every few seconds. */
  onIdle: () => void
}

export interface Opened {
  collisions: string[]
  recovery: Record<string, unknown>
  descriptors: number[]
}

/** A thread that ended with a failure leaves a journal that the next mount recovers from. */
export type ThreadEnd = { isClean: true } | { isClean: false; failure: Failure; isBug?: boolean }

/** A volume that does not come to rest in this time is stuck in the origin's or the store's disk. */
const holdTimeoutMs = 30_000
const statusTimeoutMs = 10_000

/** Often enough to keep little pending, seldom enough to let the machine sleep. */
const idleIntervalMs = 2000

/**
 * The main thread's side of a volume's thread: what is asked of it, and how it ended.
 *
 * Every wait for an answer ends with a Failure when the thread ends. Whoever made it calls `dispose`
 * after `ended`.
 */
export class VolumeThread {
  readonly ended: Promise<ThreadEnd>

  readonly #native: Native
  readonly #wakeFd: number
  readonly #signal = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
  readonly #worker: Worker
  readonly #events: VolumeThreadEvents
  readonly #pending = new PendingAnswers()
  readonly #opened: Promise<Opened>
  readonly #agreed: Promise<boolean>
  readonly #idleTimer: NodeJS.Timeout
  #lastId = 0
  #isDisposed = false
  #end: ThreadEnd | undefined

  constructor(
    native: Native,
    data: Omit<VolumeThreadData, 'signal' | 'wakeFd'>,
    events: VolumeThreadEvents,
  ) {
    this.#native = native
    this.#events = events
    this.#wakeFd = native.eventFd()
    this.#opened = this.#pending.expect<Opened>('opened')
    this.#opened.catch(() => undefined)
    this.#agreed = this.#pending.expect<boolean>('agreed')
    this.#agreed.catch(() => undefined)
    const workerData: VolumeThreadData = {
      ...data,
      signal: this.#signal.buffer,
      wakeFd: this.#wakeFd,
    }
    this.#worker = new Worker(new URL('./volume-worker.js', import.meta.url), {
      workerData,
      // A request's garbage dies young; what lives on is nodes, which a larger nursery only copies about.
      resourceLimits: { maxYoungGenerationSizeMb: 8 },
    })
    this.#worker.on('message', (message: FromVolumeThread) => {
      this.#receive(message)
    })
    this.#worker.on('error', (error) => {
      this.#events.log(`the volume's thread failed: ${error.stack ?? error.message}`)
      this.#setEnd({
        isClean: false,
        failure: new Failure('failed', error.message),
        isBug: true,
      })
    })
    this.#idleTimer = setInterval(() => {
      this.#send({ type: 'idle' })
      events.onIdle()
    }, idleIntervalMs)
    this.ended = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        const failure = new Failure('failed', 'the thread of the volume ended unexpectedly')
        resolve(this.#setEnd({ isClean: false, failure }))
      })
    })
  }

  opened(): Promise<Opened> {
    return this.#opened
  }

  /** Whether the kernel can be asked for its requests again, so that a successor can go on. */
  canResend(): Promise<boolean> {
    return this.#agreed
  }

  serve(fuseFd: number): void {
    this.#send({ type: 'serve', fuseFd })
  }

  /** Resolves when it is mounted. */
  serveFuseNative(mountPoint: string, source: string, allowOther: boolean): Promise<void> {
    const serving = this.#pending.expect<undefined>('serving')
    this.#send({ type: 'serve-fuse-native', mountPoint, source, allowOther })
    return serving
  }

  /** Resolves when no request is under way; none begins until `cut` or `release`. */
  hold(): Promise<void> {
    const id = ++this.#lastId
    const held = this.#pending.expect<undefined>(`held ${id}`, holdTimeoutMs)
    this.#send({ type: 'hold', id })
    return held
  }

  release(): void {
    this.#send({ type: 'release' })
  }

  /** While it is held. */
  async doubt(objects: readonly ObjectId[], label: Label): Promise<void> {
    if (objects.length === 0) return
    const done = this.#pending.expect<undefined>('doubt')
    this.#send({ type: 'doubt', objects, label })
    await done
  }

  /** Ends a hold. Must not fail: the catalog says already that the snapshot exists. */
  cut(record: SnapshotRecord): Promise<void> {
    const done = this.#pending.expect<undefined>('cut')
    this.#send({ type: 'cut', record })
    return done
  }

  noteChanged(records: readonly SnapshotRecord[]): void {
    this.#send({ type: 'changed', records })
  }

  answerWanted(what: Wanted, name: string, refusal?: { code: ErrnoCode; message: string }): void {
    if (refusal === undefined) this.#send({ type: 'wanted-done', what, name })
    else this.#send({ type: 'wanted-refused', what, name, ...refusal })
  }

  /** Nobody sees these snapshots any more when it resolves. The catalog says already that they are gone. */
  remove(records: readonly SnapshotRecord[]): Promise<void> {
    const id = ++this.#lastId
    const removed = this.#pending.expect<undefined>(`removed ${id}`)
    const names = records.map(({ name }) => name)
    const labels = records.map(({ label }) => label)
    this.#send({ type: 'remove', id, names, labels })
    return removed
  }

  /** Sweeps for about so long. */
  sweep(msMax: number, how: SweepHow): Promise<SweepProgress> {
    const id = ++this.#lastId
    const swept = this.#pending.expect<SweepProgress>(`swept ${id}`)
    this.#send({ type: 'sweep', id, msMax, how })
    return swept
  }

  status(timeoutMs = statusTimeoutMs): Promise<ThreadStatus> {
    const id = ++this.#lastId
    const status = this.#pending.expect<ThreadStatus>(`status ${id}`, timeoutMs)
    this.#send({ type: 'status', id })
    return status
  }

  stop(): void {
    this.#send({ type: 'stop' })
  }

  /** Ends it, whatever it is doing. */
  async discard(): Promise<void> {
    this.stop()
    await this.ended
    this.dispose()
  }

  /** Only after `ended`: the thread waits on the descriptor. May be called twice. */
  dispose(): void {
    if (this.#isDisposed) return
    this.#isDisposed = true
    this.#native.close(this.#wakeFd)
  }

  #send(message: ToVolumeThread): void {
    if (this.#end !== undefined) return
    this.#worker.postMessage(message)
    Atomics.add(this.#signal, 0, 1)
    Atomics.notify(this.#signal, 0)
    this.#native.signalEventFd(this.#wakeFd)
  }

  #receive(message: FromVolumeThread): void {
    switch (message.type) {
      case 'opened':
        this.#pending.answer('opened', message)
        break
      case 'agreed':
        this.#pending.answer('agreed', message.canResend)
        break
      case 'serving':
        this.#pending.answer('serving', undefined)
        break
      case 'held':
        this.#pending.answer(`held ${message.id}`, undefined)
        break
      case 'doubted':
        this.#pending.answer('doubt', undefined)
        break
      case 'cut-done':
        this.#pending.answer('cut', undefined)
        break
      case 'status':
        this.#pending.answer(`status ${message.id}`, message.status)
        break
      case 'removed':
        this.#pending.answer(`removed ${message.id}`, undefined)
        break
      case 'swept':
        this.#pending.answer(`swept ${message.id}`, message.progress)
        break
      case 'sweep-failed':
        this.#pending.refuse(`swept ${message.id}`, new Failure(message.kind, message.message))
        break
      case 'wanted':
        this.#events.onWanted(message.what, message.name)
        break
      case 'log':
        this.#events.log(message.line)
        break
      case 'failed':
        this.#setEnd({
          isClean: false,
          failure: new Failure(message.kind, message.message),
          isBug: message.isBug,
        })
        break
      case 'closed':
        this.#setEnd({ isClean: true })
        break
    }
  }

  /** The first word counts: what comes after it is how the thread went down. */
  #setEnd(end: ThreadEnd): ThreadEnd {
    if (this.#end === undefined) {
      this.#end = end
      clearInterval(this.#idleTimer)
      const failure = end.isClean
        ? new Failure('missing', 'the volume has just been unmounted')
        : end.failure
      this.#pending.refuseAll(failure)
    }
    return this.#end
  }
}
