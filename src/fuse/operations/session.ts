import type { Call, OperationList } from '../call.js'
import { negotiate } from '../negotiation.js'
import { Opcode } from '../opcodes.js'
import type { Reply } from '../reply-writer.js'
import { noReply } from '../reply-writer.js'
import { InitIn } from '../structs.js'

/** Requests about the session or the whole file system. */
export const sessionOperations: OperationList = [
  [Opcode.init, { bodyBytesMin: InitIn.shortBytes, answer: init }],
  [Opcode.destroy, { bodyBytesMin: 0, answer: destroy }],
  // Requests are answered one after the other, so the one that it means has its answer, or is an
  // fsync, which will have it.
  [Opcode.interrupt, { bodyBytesMin: 0, isSilent: true, answer: nothing }],
  [Opcode.notifyReply, { bodyBytesMin: 0, isSilent: true, answer: nothing }],
  [Opcode.syncfs, { bodyBytesMin: 0, answer: syncfs }],
]

function init(call: Call): Reply {
  const { agreement, reply } = negotiate(call.request, call.reply)
  if (agreement !== undefined) {
    call.agree(agreement)
    call.fileSystem.agreed?.(JSON.stringify(agreement))
  }
  return reply
}

function destroy({ reply }: Call): Reply {
  return reply.empty()
}

function nothing(): Reply {
  return noReply
}

function syncfs({ fileSystem, session, reply }: Call): Reply {
  const fds = fileSystem.planSyncAll()
  if (fds.length === 0) return reply.empty()
  session.replyAfterSync(fds, false)
  return noReply
}
