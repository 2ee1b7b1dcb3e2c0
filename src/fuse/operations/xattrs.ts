import { FsError } from '../../base/errno.js'
import type { Call, OperationList } from '../call.js'
import { SETXATTR_KILL_SGID } from '../flags.js'
import { hasSetxattrExt } from '../negotiation.js'
import { Opcode } from '../opcodes.js'
import type { Reply, ReplyWriter } from '../reply-writer.js'
import { GetxattrIn, SetxattrIn } from '../structs.js'

const setGroupId = 0o2000
const permissionBits = 0o7777

export const xattrOperations: OperationList = [
  [Opcode.getxattr, { bodyBytesMin: GetxattrIn.bytes, answer: getxattr }],
  [Opcode.listxattr, { bodyBytesMin: GetxattrIn.bytes, answer: listxattr }],
  [Opcode.setxattr, { bodyBytesMin: SetxattrIn.shortBytes, answer: setxattr }],
  [Opcode.removexattr, { bodyBytesMin: 2, answer: removexattr }],
]

function getxattr({ fileSystem, request, reply }: Call): Reply {
  const value = fileSystem.getxattr(request.node, request.string(GetxattrIn.name))
  return fitting(reply, value, request.u32(GetxattrIn.size))
}

function listxattr({ fileSystem, request, reply }: Call): Reply {
  return fitting(
    reply,
    fileSystem.listxattr(request.node, request.caller),
    request.u32(GetxattrIn.size),
  )
}

/** Size 0 asks how large the value is. */
function fitting(reply: ReplyWriter, value: Uint8Array, bytesMax: number): Reply {
  if (bytesMax === 0) return reply.xattrSize(value.length)
  if (value.length > bytesMax) throw new FsError('ERANGE', 'xattr larger than asked for')
  return reply.bytes(value)
}

function setxattr(call: Call): Reply {
  const { fileSystem, request } = call
  const isExtended = hasSetxattrExt(call.agreement)
  const structBytes = isExtended ? SetxattrIn.bytes : SetxattrIn.shortBytes
  if (!request.hasBody(structBytes)) throw new FsError('EINVAL', 'truncated request')
  const name = request.string(structBytes)
  const value = request.bytes(request.stringEnd, request.u32(SetxattrIn.size))
  const flags = request.u32(SetxattrIn.flags)
  fileSystem.setxattr(request.node, name, value, flags, request.caller)
  const killsSgid = isExtended && (request.u32(SetxattrIn.extFlags) & SETXATTR_KILL_SGID) !== 0
  if (killsSgid) dropSetGroupId(call)
  return call.reply.empty()
}

/** Setting an ACL as one who is not of the file's group takes its set-group-ID bit. */
function dropSetGroupId(call: Call): void {
  const { fileSystem, request } = call
  const attributes = call.freshAttributes()
  fileSystem.getattr(request.node, undefined, attributes)
  const mode = attributes.attributes.mode
  if ((mode & setGroupId) === 0) return
  const change = call.freshChange()
  change.mode = mode & permissionBits & ~setGroupId
  fileSystem.setattr(request.node, undefined, change, request.caller, attributes)
}

function removexattr({ fileSystem, request, reply }: Call): Reply {
  fileSystem.removexattr(request.node, request.string(0), request.caller)
  return reply.empty()
}
