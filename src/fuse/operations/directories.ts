import type { Call, OperationList } from '../call.js'
import { FSYNC_DATA_ONLY } from '../flags.js'
import { Opcode } from '../opcodes.js'
import type { Reply } from '../reply-writer.js'
import { noReply } from '../reply-writer.js'
import { FsyncIn, OpenIn, ReadIn, ReleaseIn } from '../structs.js'

export const directoryOperations: OperationList = [
  [Opcode.opendir, { bodyBytesMin: OpenIn.bytes, answer: opendir }],
  [Opcode.readdir, { bodyBytesMin: ReadIn.bytes, answer: readdir }],
  [Opcode.readdirplus, { bodyBytesMin: ReadIn.bytes, answer: readdirplus }],
  [Opcode.releasedir, { bodyBytesMin: ReleaseIn.bytes, answer: releasedir }],
  [Opcode.fsyncdir, { bodyBytesMin: FsyncIn.bytes, answer: fsyncdir }],
]

function opendir(call: Call): Reply {
  const { request } = call
  const opened = call.freshOpened()
  call.fileSystem.opendir(request.node, request.caller, opened)
  return call.reply.openedDirectory(opened)
}

function readdir(call: Call): Reply {
  return list(call, false)
}

function readdirplus(call: Call): Reply {
  return list(call, true)
}

function list({ fileSystem, request, reply, directory }: Call, isPlus: boolean): Reply {
  const handle = request.u64(ReadIn.handle)
  const offset = request.u64(ReadIn.offset)
  directory.begin(request.u32(ReadIn.size), isPlus)
  try {
    if (isPlus) fileSystem.readdirplus(handle, offset, request.caller, directory)
    else fileSystem.readdir(handle, offset, directory)
  } catch (error) {
    // The entries so far count lookups, which the kernel can only forget if it learns of them. It
    // asks on from there, and meets the failure then.
    if (directory.bytes === 0) throw error
  }
  return reply.body(directory.bytes)
}

function releasedir({ fileSystem, request, reply }: Call): Reply {
  fileSystem.releasedir(request.u64(ReleaseIn.handle))
  return reply.empty()
}

function fsyncdir({ fileSystem, session, request, reply }: Call): Reply {
  const fds = fileSystem.planSync(request.u64(FsyncIn.handle))
  if (fds.length === 0) return reply.empty()
  session.replyAfterSync(fds, (request.u32(FsyncIn.flags) & FSYNC_DATA_ONLY) !== 0)
  return noReply
}
