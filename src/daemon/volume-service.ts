import { FsError } from '../base/errno.js'
import type { Label, ObjectId } from '../base/ids.js'
import { RequestParked } from '../fuse/file-system.js'
import { codeOf } from '../store/durable-file.js'
import type { SnapshotRecord } from '../store/snapshot-record.js'
import type { ThreadInbox } from './thread-inbox.js'
import { failureOf } from './failure-of.js'
import type {
  FromVolumeThread,
  SweepHow,
  SweepProgress,
  ThreadStatus,
  ToVolumeThread,
  Wanted,
} from './thread-protocol.js'

export interface VolumeServiceOptions {
  inbox: Pick<ThreadInbox, 'poll' | 'take'>
  post: (message: FromVolumeThread) => void
  /** The snapshot `label` to come can't rely on what the origin holds of these. */
  doubt: (objects: readonly ObjectId[], label: Label) => void
  /** From now on the newest snapshot is `record`. */
  cut: (record: SnapshotRecord) => void
  changed: (records: readonly SnapshotRecord[]) => void
  status: () => ThreadStatus
  /** These snapshots are no more. */
  remove: (labels: ReadonlySet<Label>, names: readonly string[]) => void
  sweep: (msMax: number, how: SweepHow) => SweepProgress
  /** Work that no request should wait for. */
  idle: () => void
  /** What a sync of the mount has set off is still on its way: see FlushMarker. `onWake` is called when it was carried out. */
  isCatchingUp: () => boolean
}

/**
 * What the main thread asks of a volume's thread while that serves requests.
 *
 * A hold blocks the thread: since it alone handles the volume's requests, nothing changes between the
 * `held` it answers and the `cut` it waits for, and none is left half done.
 */
export class VolumeService {
  readonly #options: VolumeServiceOptions
  /** What requests wait for. */
  readonly #wanted = new Map<string, 'under way' | 'done' | FsError>()
  /** The hold that waits until the kernel has handed over what it held. */
  #holdIdNext: number | undefined
  #isStopping = false

  constructor(options: VolumeServiceOptions) {
    this.#options = options
  }

  /** Carries out the messages that are there. */
  readonly onWake = (): 'continue' | 'stop' => {
    for (;;) {
      const message = this.#options.inbox.poll()
      if (message === undefined) break
      this.handle(message)
    }
    if (this.#holdIdNext !== undefined && !this.#options.isCatchingUp())
      this.#hold(this.#holdIdNext)
    return this.#isStopping ? 'stop' : 'continue'
  }

  handle(message: ToVolumeThread): 'continue' | 'stop' {
    const { post, status, changed } = this.#options
    switch (message.type) {
      case 'hold':
        if (this.#options.isCatchingUp()) this.#holdIdNext = message.id
        else this.#hold(message.id)
        break
      case 'doubt':
        this.#options.doubt(message.objects, message.label)
        post({ type: 'doubted' })
        break
      case 'changed':
        changed(message.records)
        break
      case 'status':
        post({ type: 'status', id: message.id, status: status() })
        break
      case 'idle':
        this.#options.idle()
        break
      case 'stop':
        this.#isStopping = true
        break
      case 'remove':
        this.#options.remove(new Set(message.labels), message.names)
        post({ type: 'removed', id: message.id })
        break
      case 'sweep':
        this.#sweep(message)
        break
      case 'wanted-done':
        this.#wanted.set(keyOf(message.what, message.name), 'done')
        break
      case 'wanted-refused': {
        const { what, name, code } = message
        this.#wanted.set(keyOf(what, name), new FsError(code, message.message))
        break
      }
      case 'cut':
      case 'release':
        // Of a hold that the main thread gave up before it was answered.
        this.#holdIdNext = undefined
        break
      case 'serve':
      case 'serve-fuse-native':
        throw new Error(`'${message.type}' came at a time when it means nothing`)
    }
    return this.#isStopping ? 'stop' : 'continue'
  }

  /**
   * For a request that asks for a snapshot of this volume. The main thread cuts as for anybody else; the request is
   * parked meanwhile, for others may have to be served before the cut.
   */
  readonly takeSnapshot = (tag: string): void => {
    this.#want('snapshot', tag)
  }

  /** The same for a request that asks for the deletion of one. */
  readonly deleteSnapshot = (name: string): void => {
    this.#want('deletion', name)
  }

  /** If it fails nothing is wrong: it is begun anew some other time. */
  #sweep({ id, msMax, how }: Extract<ToVolumeThread, { type: 'sweep' }>): void {
    const { post, sweep } = this.#options
    try {
      post({ type: 'swept', id, progress: sweep(msMax, how) })
    } catch (error) {
      if (!(error instanceof FsError) && codeOf(error) === undefined) throw error
      const { kind, message } = failureOf(error, 'the sweep was broken off')
      post({ type: 'sweep-failed', id, kind, message })
    }
  }

  #want(what: Wanted, name: string): void {
    const key = keyOf(what, name)
    const state = this.#wanted.get(key)
    if (state === undefined) {
      this.#wanted.set(key, 'under way')
      this.#options.post({ type: 'wanted', what, name })
    }
    if (state === undefined || state === 'under way') throw new RequestParked(key)
    this.#wanted.delete(key)
    if (state !== 'done') throw state
  }

  #hold(id: number): void {
    this.#holdIdNext = undefined
    this.#options.post({ type: 'held', id })
    this.#waitForCut()
  }

  #waitForCut(): void {
    const { inbox, post, cut } = this.#options
    for (;;) {
      const message = inbox.take()
      if (message.type === 'release') return
      if (message.type === 'cut') {
        cut(message.record)
        post({ type: 'cut-done' })
        return
      }
      this.handle(message)
    }
  }
}

function keyOf(what: Wanted, name: string): string {
  return `${what} ${name}`
}
