import type { ByteString } from '../base/bytes.js'
import { checked, fsErrorOf } from '../base/errno.js'
import { native } from '../base/native.js'
import type { Guards, Session } from '../base/native.js'
import { Dispatcher } from './dispatcher.js'
import type { FileSystem } from './file-system.js'
import { writeBytesMax } from './negotiation.js'
import type { Agreement } from './negotiation.js'

export interface NativeTransportOptions {
  fileSystem: FileSystem
  /** /dev/fuse, mounted. Stays the caller's. */
  fuseFd: number
  wakeFd: number
  guards: Guards
  /** Called between two requests after wakeFd was signalled. 'stop': serve no more. */
  onWake: () => 'continue' | 'stop'
  log: (line: string) => void
  /** Called before the first request. */
  onStart?: (control: NativeTransportControl) => void
  /** Goes on with a session of a predecessor, which had agreed on this. */
  takeover?: Agreement | undefined
  /** Called once, when the kernel has said what it can do. */
  onAgreement?: (agreement: Agreement) => void
}

export type SessionStats = ReturnType<Session['stats']>

/** What a running transport can do besides answering. For its own thread, also inside a request. */
export interface NativeTransportControl {
  /** Makes the kernel forget what the name leads to, also that it leads nowhere. */
  invalidateEntry(parent: number, name: ByteString): void
  /** Makes the kernel forget the node's attributes and its pages from `offset` on; `length` 0: to the end. */
  invalidateNode(node: number, offset: number, length: number): void
  /** Has the kernel ask for the name before it uses it again. */
  expireEntry(parent: number, name: ByteString): void
  stats(): SessionStats
}

/** ENODEV: unmounted. ECONNABORTED and ENOTCONN: the connection was aborted. */
const goneErrnos: readonly number[] = [-19, -103, -107]

/**
 * Serves a mount on this thread, which blocks: no event loop runs meanwhile. Returns when the mount is
 * gone or onWake says stop; `fileSystem` is destroyed then, also after a failure.
 */
export function runNativeTransport(options: NativeTransportOptions): void {
  const { fileSystem, fuseFd, wakeFd, guards, onWake, log, onStart, onAgreement, takeover } =
    options
  try {
    const session = new (native().Session)(fuseFd, wakeFd, guards, writeBytesMax)
    try {
      onStart?.(controlOf(session))
      const dispatcher = new Dispatcher({ fileSystem, session, log, onAgreement })
      if (takeover !== undefined) {
        dispatcher.resume(takeover)
        fileSystem.eachOpened?.((handle, fd, guard, uid, gid) => {
          session.attach(handle, fd, guard, uid, gid)
        })
        const result = session.notifyResend()
        if (goneErrnos.includes(result)) return
        checked(result, 'have requests sent again')
      }
      serve(session, dispatcher, onWake)
    } finally {
      // Waits for a sync under way, whose descriptors are still in use.
      session.close()
    }
  } finally {
    fileSystem.destroy()
  }
}

function serve(session: Session, dispatcher: Dispatcher, onWake: () => 'continue' | 'stop'): void {
  let replyBytes = 0
  for (;;) {
    const requestBytes = session.exchange(replyBytes)
    if (requestBytes > 0) {
      replyBytes = dispatcher.dispatch(requestBytes)
    } else if (requestBytes === 0) {
      if (onWake() === 'stop') return
      replyBytes = dispatcher.retryParked()
    } else {
      if (goneErrnos.includes(requestBytes)) return
      throw fsErrorOf(requestBytes, 'receive a request')
    }
  }
}

function controlOf(session: Session): NativeTransportControl {
  return {
    invalidateEntry: (parent, name) => {
      session.notifyEntry(Math.floor(parent / 2 ** 32), parent >>> 0, name)
    },
    invalidateNode: (node, offset, length) => {
      session.notifyInode(Math.floor(node / 2 ** 32), node >>> 0, offset, length)
    },
    expireEntry: (parent, name) => {
      session.notifyExpire(Math.floor(parent / 2 ** 32), parent >>> 0, name)
    },
    stats: () => session.stats(),
  }
}
