import { UTIME_NOW } from '../../base/open-flags.js'
import type { Call, OperationList } from '../call.js'
import type { AttributesReply } from '../file-system.js'
import { GETATTR_HANDLE, SetattrFlag } from '../flags.js'
import { Opcode } from '../opcodes.js'
import type { Reply } from '../reply-writer.js'
import { GetattrIn, SetattrIn, StatxIn } from '../structs.js'

const permissionBits = 0o7777
/** All that say what shall change, and not how. */
const changingFlags = ~(SetattrFlag.handle | SetattrFlag.lockOwner)

export const attributeOperations: OperationList = [
  [Opcode.getattr, { bodyBytesMin: GetattrIn.bytes, answer: getattr }],
  [Opcode.statx, { bodyBytesMin: StatxIn.bytes, answer: statx }],
  [Opcode.setattr, { bodyBytesMin: SetattrIn.bytes, answer: setattr }],
  [Opcode.statfs, { bodyBytesMin: 0, answer: statfs }],
]

function getattr(call: Call): Reply {
  return call.reply.attributes(attributesOf(call))
}

function statx(call: Call): Reply {
  return call.reply.statx(attributesOf(call))
}

/** GETATTR and STATX begin alike. */
function attributesOf(call: Call): AttributesReply {
  const { request } = call
  const hasHandle = (request.u32(GetattrIn.flags) & GETATTR_HANDLE) !== 0
  const handle = hasHandle ? request.u64(GetattrIn.handle) : undefined
  const attributes = call.freshAttributes()
  call.fileSystem.getattr(request.node, handle, attributes)
  return attributes
}

function setattr(call: Call): Reply {
  const { request } = call
  const valid = request.u32(SetattrIn.valid)
  const change = call.freshChange()
  if (valid & SetattrFlag.mode) change.mode = request.u32(SetattrIn.mode) & permissionBits
  if (valid & SetattrFlag.uid) change.uid = request.u32(SetattrIn.uid)
  if (valid & SetattrFlag.gid) change.gid = request.u32(SetattrIn.gid)
  if (valid & SetattrFlag.size) change.sizeBytes = request.fileOffset(SetattrIn.size)
  if (valid & SetattrFlag.atimeNow) {
    change.atimeSec = 0
    change.atimeNsec = UTIME_NOW
  } else if (valid & SetattrFlag.atime) {
    change.atimeSec = request.i64(SetattrIn.atime)
    change.atimeNsec = request.u32(SetattrIn.atimeNsec)
  }
  if (valid & SetattrFlag.mtimeNow) {
    change.mtimeSec = 0
    change.mtimeNsec = UTIME_NOW
  } else if (valid & SetattrFlag.mtime) {
    change.mtimeSec = request.i64(SetattrIn.mtime)
    change.mtimeNsec = request.u32(SetattrIn.mtimeNsec)
  }
  // A change of nothing is chown(-1, -1), or what the kernel sends before a write, fallocate or copy by
  // someone who may not keep these bits: dropping them is all that it asks for.
  const isOfNothing = (valid & changingFlags) === 0
  change.killPrivileges = isOfNothing || (valid & SetattrFlag.killPrivileges) !== 0
  const handle = valid & SetattrFlag.handle ? request.u64(SetattrIn.handle) : undefined
  const attributes = call.freshAttributes()
  call.fileSystem.setattr(request.node, handle, change, request.caller, attributes)
  return call.reply.attributes(attributes)
}

function statfs({ fileSystem, request, reply, statfs }: Call): Reply {
  fileSystem.statfs(request.node, statfs)
  return reply.statfs(statfs)
}
