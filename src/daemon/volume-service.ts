import { FsError } from '../base/errno.js'
import type { SnapshotRecord } from '../store/snapshot-record.js'
import type { ThreadInbox } from './thread-inbox.js'
import type { FromVolumeThread, ThreadStatus, ToVolumeThread } from './thread-protocol.js'

export interface VolumeServiceOptions {
  inbox: Pick<ThreadInbox, 'poll' | 'take'>
  post: (message: FromVolumeThread) => void
  /** From now on the newest snapshot is `record`. */
  cut: (record: SnapshotRecord) => void
  status: () => ThreadStatus
  /** Work that no request should wait for. */
  idle: () => void
}

/**
 * What the main thread asks of a volume's thread while that serves requests.
 *
 * A hold blocks the thread: since it alone handles the volume's requests, nothing changes between the
 * `held` it answers and the `cut` it waits for, and none is left half done.
 */
export class VolumeService {
  readonly #options: VolumeServiceOptions
  #isStopping = false

  constructor(options: VolumeServiceOptions) {
    this.#options = options
  }

  /** Carries out the messages that are there. */
  readonly onWake = (): 'continue' | 'stop' => {
    for (;;) {
      const message = this.#options.inbox.poll()
      if (message === undefined) return this.#isStopping ? 'stop' : 'continue'
      this.handle(message)
    }
  }

  handle(message: ToVolumeThread): 'continue' | 'stop' {
    const { post, status } = this.#options
    switch (message.type) {
      case 'hold':
        post({ type: 'held', id: message.id })
        this.#waitForCut()
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
      case 'cut':
      case 'release':
        // Of a hold that the main thread gave up before it was answered.
        break
      case 'serve':
      case 'serve-fuse-native':
      case 'snapshot-taken':
      case 'snapshot-refused':
        throw new Error(`'${message.type}' came at a time when it means nothing`)
    }
    return this.#isStopping ? 'stop' : 'continue'
  }

  /**
   * For a request that asks for a snapshot of this volume: returns when it was taken. The main thread
   * cuts as for anybody else, with a hold that this answers while it waits.
   */
  readonly takeSnapshot = (tag: string): void => {
    const { inbox, post } = this.#options
    post({ type: 'snapshot-wanted', tag })
    for (;;) {
      const message = inbox.take()
      if (message.type === 'snapshot-taken') return
      if (message.type === 'snapshot-refused') throw new FsError(message.code, message.message)
      // The main thread waits for this thread's end, and takes no snapshot until then.
      if (this.handle(message) === 'stop') throw new FsError('ENODEV', 'it is being unmounted')
    }
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
