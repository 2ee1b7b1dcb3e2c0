import { FsError } from '../base/errno.js'
import { Failure } from '../base/failure.js'
import type { Session } from '../base/native.js'
import type { Operation } from './call.js'
import { Call } from './call.js'
import { RequestParked } from './file-system.js'
import type { FileSystem } from './file-system.js'
import type { Agreement } from './negotiation.js'
import { attributeOperations } from './operations/attributes.js'
import { directoryOperations } from './operations/directories.js'
import { fileOperations } from './operations/files.js'
import { ioctlOperations } from './operations/ioctl.js'
import { nameOperations } from './operations/names.js'
import { sessionOperations } from './operations/session.js'
import { xattrOperations } from './operations/xattrs.js'
import { noReply } from './reply-writer.js'

/**
 * By opcode. What is not here (locks, POLL, BMAP, ACCESS, whatever a later kernel adds) is answered
 * ENOSYS: the kernel then does without, as a rule without asking again.
 */
const operations: (Operation | undefined)[] = []
for (const [opcode, operation] of [
  ...nameOperations,
  ...attributeOperations,
  ...xattrOperations,
  ...fileOperations,
  ...directoryOperations,
  ...ioctlOperations,
  ...sessionOperations,
]) {
  operations[opcode] = operation
}

const unknownRequest = new FsError('ENOSYS', 'unknown request').errno
const brokenHandler = new FsError('EIO', 'failure in a handler').errno

/** Has each request answered by the FileSystem, exactly once. */
export class Dispatcher {
  readonly #call: Call
  /** Copies, the oldest first. Bounded by those who wait: a handful, since what waits is rare and holds a lock. */
  readonly #parked: Uint8Array[] = []
  readonly #log: (line: string) => void

  constructor(options: {
    fileSystem: FileSystem
    session: Session
    log: (line: string) => void
    /** Called once, when INIT is agreed on. */
    onAgreement?: ((agreement: Agreement) => void) | undefined
  }) {
    this.#call = new Call(options.fileSystem, options.session, options.onAgreement)
    this.#log = options.log
  }

  /**
   * Handles the request of `length` bytes in session.request. Returns how much of session.reply is to
   * be sent, 0 for nothing. Throws a Failure if the kernel can't be served at all.
   */
  dispatch(length: number): number {
    const { request, reply } = this.#call
    if (!request.begin(length)) {
      this.#log(`not a FUSE request: ${length} bytes`)
      return noReply
    }
    reply.begin(request)
    const operation = operations[request.opcode]
    if (operation === undefined) return reply.error(unknownRequest)
    const { fileSystem } = this.#call
    fileSystem.begins?.(request.uniqueHigh, request.uniqueLow, operation.isSilent === true)
    try {
      if (!request.hasBody(operation.bodyBytesMin)) throw new FsError('EINVAL', 'truncated request')
      return operation.answer(this.#call)
    } catch (error) {
      if (error instanceof RequestParked) {
        this.#parked.push(request.copy())
        return noReply
      }
      const errno = this.#errnoOf(error)
      return operation.isSilent === true ? noReply : reply.error(errno)
    } finally {
      fileSystem.ends?.()
    }
  }

  /** Goes on with a session that was agreed on with a predecessor. */
  resume(agreement: Agreement): void {
    this.#call.agree(agreement)
  }

  /** Puts the parked requests again, in turn, until one is answered. Returns as `dispatch` does. */
  retryParked(): number {
    for (let count = this.#parked.length; count > 0; count--) {
      const copy = this.#parked.shift()
      if (copy === undefined) break
      const replyBytes = this.dispatch(this.#call.request.put(copy))
      if (replyBytes !== noReply) return replyBytes
    }
    return noReply
  }

  /** The one place where what a handler throws becomes an errno. */
  #errnoOf(error: unknown): number {
    if (error instanceof FsError) return error.errno
    if (error instanceof Failure) throw error
    const { opcode, node } = this.#call.request
    this.#log(`request ${opcode} on node ${node} failed: ${inOneLine(error)}`)
    return brokenHandler
  }
}

function inOneLine(error: unknown): string {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return text.replaceAll(/\s*\n\s*/g, ' | ')
}
