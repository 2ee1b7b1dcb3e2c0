import { FsError } from '../base/errno.js'
import { RequestParked } from '../fuse/file-system.js'
import type { Label, ObjectId } from '../base/ids.js'
import type { SnapshotRecord } from '../store/snapshot-record.js'
import type { ThreadInbox } from './thread-inbox.js'
import type { FromVolumeThread, ThreadStatus, ToVolumeThread } from './thread-protocol.js'

export interface VolumeServiceOptions {
  inbox: Pick<ThreadInbox, 'poll' | 'take'>
  post: (message: FromVolumeThread) => void
  /** The snapshot `label` to come can't rely on what the origin holds of these. */
  doubt: (objects: readonly ObjectId[], label: Label) => void
  /** From now on the newest snapshot is `record`. */
  cut: (record: SnapshotRecord) => void
  changed: (records: readonly SnapshotRecord[]) => void
  status: () => ThreadStatus
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
  /** Of snapshots that requests wait for, by tag. */
  readonly #wanted = new Map<string, 'under way' | 'taken' | FsError>()
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
      case 'snapshot-taken':
        this.#wanted.set(message.tag, 'taken')
        break
      case 'snapshot-refused':
        this.#wanted.set(message.tag, new FsError(message.code, message.message))
        break
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
    const state = this.#wanted.get(tag)
    if (state === undefined) {
      this.#wanted.set(tag, 'under way')
      this.#options.post({ type: 'snapshot-wanted', tag })
    }
    if (state === undefined || state === 'under way') throw new RequestParked(`snapshot ${tag}`)
    this.#wanted.delete(tag)
    if (state !== 'taken') throw state
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
