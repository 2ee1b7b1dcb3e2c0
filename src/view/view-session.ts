import type { ByteString } from '../base/bytes.js'
import { Once } from './once.js'
import type { SessionLog } from './session-log.js'
import {
  isResent,
  requestKey,
  SessionReplay,
  type OpenRequest,
  type ReplayParts,
} from './session-replay.js'

export interface ViewSessionParts extends Omit<ReplayParts, 'isKept'> {
  /** undefined: nobody goes on with this session if its daemon dies. */
  readonly log: SessionLog | undefined
  /** The first request that was not sent before a takeover has come. */
  readonly onResent: (() => void) | undefined
  /** What the kernel never learned of. */
  readonly takeBack: (request: OpenRequest) => void
}

/** What of a view outlives its daemon: keeps it on record, and goes on with what a predecessor has left. */
export class ViewSession {
  /** Carries out what comes again no second time. */
  readonly once: Once
  readonly #parts: ViewSessionParts
  readonly #log: SessionLog | undefined
  /** What a predecessor may have left unanswered, until it has come again or can't any more. */
  #open: Map<string, OpenRequest> | undefined

  constructor(parts: ViewSessionParts) {
    const { log } = parts
    this.#parts = parts
    this.#log = log
    this.once = new Once(parts.volume, log)
    const { volume, nodes, handles, past } = parts
    const { root, retired } = volume.origin
    log?.attach({
      permanent: [root, retired],
      get sessionGeneration() {
        return nodes.sessionGeneration
      },
      get nextId() {
        return nodes.nextId
      },
      get nextHandle() {
        return handles.next
      },
      nodes: () => nodes.all(),
      handles: () => handles.entries(),
      trees: () => past.trees(),
      treeOf: ({ tree }) => past.treeOf(tree),
    })
  }

  /** The first daemon of this session: what it does goes on record from now on. */
  start(): void {
    this.#parts.volume.origin.changes = this.#log
    this.#log?.start()
  }

  /**
   * Takes over a predecessor's session, as its log has it. Returns what that had agreed on with the kernel, and the
   * names of snapshots in the root that the kernel must forget. From then on requests may come again, until
   * `endResending`.
   */
  takeOver(): { agreement: string; descriptors: number[]; gone: Iterable<ByteString> } {
    const log = this.#log
    if (log === undefined) throw new Error('there is no log to take over from')
    const parts = { ...this.#parts, isKept: (fd: number) => log.kept.has(fd) }
    const replayed = new SessionReplay(log.log, parts).run()
    log.adopt(replayed, this.#parts.handles.entries())
    this.#parts.snapshots.restoreAsked(replayed.asked)
    this.#parts.volume.origin.changes = log
    for (const { intent } of replayed.open.values())
      if (intent !== undefined) this.once.settle(intent)
    log.ends()
    this.#open = replayed.open
    this.#parts.volume.files.restoreLostCapabilities(replayed.lostCapabilities)
    const { agreement, descriptors, gone } = replayed
    return { agreement, descriptors: [...descriptors, log.log.fd], gone }
  }

  get isResending(): boolean {
    return this.#open !== undefined
  }

  /**
   * Whatever was to come again has come. Returns the names, with the ids of their directories, that a request has
   * changed which has not: either it was answered, or its program is gone and the kernel knows nothing of the change.
   */
  endResending(): { parent: number; name: ByteString }[] {
    const names: { parent: number; name: ByteString }[] = []
    for (const { intent } of this.#open?.values() ?? []) {
      for (const { directory, name } of intent?.names ?? []) {
        const parent = this.#parts.volume.origin.known(directory)?.id ?? 0
        if (parent !== 0) names.push({ parent, name })
      }
    }
    this.#open = undefined
    this.#parts.snapshots.forgetRestored()
    if (this.#log !== undefined) this.#log.isSettled = true
    return names
  }

  begins(high: number, low: number, isSilent: boolean): void {
    const log = this.#log
    if (log === undefined) return
    log.begins(high, low, isSilent)
    if (this.#open === undefined || isSilent) return
    if (!isResent(high)) {
      this.#parts.onResent?.()
      return
    }
    this.once.begins()
    const key = requestKey(high, low)
    const former = this.#open.get(key)
    if (former === undefined) return
    this.#open.delete(key)
    this.#parts.takeBack(former)
    this.once.continues(former.intent)
  }

  ends(): void {
    this.once.ends()
    this.#log?.ends()
  }
}
