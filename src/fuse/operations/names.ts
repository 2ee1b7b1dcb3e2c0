import type { Call, OperationList } from '../call.js'
import { Opcode } from '../opcodes.js'
import type { Reply } from '../reply-writer.js'
import { noReply } from '../reply-writer.js'
import {
  BatchForgetIn,
  ForgetIn,
  ForgetOne,
  LinkIn,
  MkdirIn,
  MknodIn,
  Rename2In,
  RenameIn,
} from '../structs.js'

/** Names and what they lead to. */
export const nameOperations: OperationList = [
  [Opcode.lookup, { bodyBytesMin: 2, answer: lookup }],
  [Opcode.forget, { bodyBytesMin: ForgetIn.bytes, isSilent: true, answer: forget }],
  [Opcode.batchForget, { bodyBytesMin: BatchForgetIn.bytes, isSilent: true, answer: batchForget }],
  [Opcode.readlink, { bodyBytesMin: 0, answer: readlink }],
  [Opcode.symlink, { bodyBytesMin: 2, answer: symlink }],
  [Opcode.mknod, { bodyBytesMin: MknodIn.bytes, answer: mknod }],
  [Opcode.mkdir, { bodyBytesMin: MkdirIn.bytes, answer: mkdir }],
  [Opcode.unlink, { bodyBytesMin: 2, answer: unlink }],
  [Opcode.rmdir, { bodyBytesMin: 2, answer: rmdir }],
  [Opcode.rename, { bodyBytesMin: RenameIn.bytes, answer: rename }],
  [Opcode.rename2, { bodyBytesMin: Rename2In.bytes, answer: rename2 }],
  [Opcode.link, { bodyBytesMin: LinkIn.bytes, answer: link }],
]

function lookup(call: Call): Reply {
  const { request } = call
  const entry = call.freshEntry()
  call.fileSystem.lookup(request.node, request.nameOrDots(0), request.caller, entry)
  return call.reply.entry(entry)
}

function forget({ fileSystem, request }: Call): Reply {
  fileSystem.forget(request.node, request.u64(ForgetIn.lookups))
  return noReply
}

function batchForget({ fileSystem, request }: Call): Reply {
  const count = request.u32(BatchForgetIn.count)
  let at: number = BatchForgetIn.first
  for (let i = 0; i < count && request.hasBody(at + ForgetOne.bytes); i++) {
    fileSystem.forget(request.u64(at + ForgetOne.node), request.u64(at + ForgetOne.lookups))
    at += ForgetOne.bytes
  }
  return noReply
}

function readlink({ fileSystem, request, reply }: Call): Reply {
  return reply.string(fileSystem.readlink(request.node))
}

function symlink(call: Call): Reply {
  const { request } = call
  const name = request.name(0)
  const target = request.string(request.stringEnd)
  const entry = call.freshEntry()
  call.fileSystem.symlink(request.node, name, target, request.caller, entry)
  return call.reply.entry(entry)
}

function mknod(call: Call): Reply {
  const { request } = call
  const name = request.name(MknodIn.name)
  const mode = request.u32(MknodIn.mode)
  const rdev = request.u32(MknodIn.rdev)
  request.caller.umask = request.u32(MknodIn.umask)
  const entry = call.freshEntry()
  call.fileSystem.mknod(request.node, name, mode, rdev, request.caller, entry)
  return call.reply.entry(entry)
}

function mkdir(call: Call): Reply {
  const { request } = call
  const name = request.name(MkdirIn.name)
  request.caller.umask = request.u32(MkdirIn.umask)
  const entry = call.freshEntry()
  call.fileSystem.mkdir(request.node, name, request.u32(MkdirIn.mode), request.caller, entry)
  return call.reply.entry(entry)
}

function unlink({ fileSystem, request, reply }: Call): Reply {
  fileSystem.unlink(request.node, request.name(0), request.caller)
  return reply.empty()
}

function rmdir({ fileSystem, request, reply }: Call): Reply {
  fileSystem.rmdir(request.node, request.name(0), request.caller)
  return reply.empty()
}

function rename(call: Call): Reply {
  return renameAt(call, RenameIn.names, 0)
}

function rename2(call: Call): Reply {
  return renameAt(call, Rename2In.names, call.request.u32(Rename2In.flags))
}

function renameAt({ fileSystem, request, reply }: Call, names: number, flags: number): Reply {
  const newParent = request.u64(RenameIn.newParent)
  const name = request.name(names)
  const newName = request.name(request.stringEnd)
  fileSystem.rename(request.node, name, newParent, newName, flags, request.caller)
  return reply.empty()
}

function link(call: Call): Reply {
  const { request } = call
  const name = request.name(LinkIn.name)
  const entry = call.freshEntry()
  call.fileSystem.link(request.u64(LinkIn.node), request.node, name, request.caller, entry)
  return call.reply.entry(entry)
}
