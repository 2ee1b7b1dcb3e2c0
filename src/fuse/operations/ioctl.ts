import { FsError } from '../../base/errno.js'
import { FileFlagsCommand } from '../../base/open-flags.js'
import type { Call, OperationList } from '../call.js'
import { Opcode } from '../opcodes.js'
import type { Reply } from '../reply-writer.js'
import { IoctlIn, IoctlOut } from '../structs.js'

/** The bytes of the argument, by command; the first two take a C int. */
const argumentBytes = new Map<number, number>([
  [FileFlagsCommand.get, 4],
  [FileFlagsCommand.set, 4],
  [FileFlagsCommand.getExtended, 28],
  [FileFlagsCommand.setExtended, 28],
])

export const ioctlOperations: OperationList = [
  [Opcode.ioctl, { bodyBytesMin: IoctlIn.bytes, answer: ioctl }],
]

/**
 * Only the flags of files. The kernel has checked that the caller may set them: it passes on none of these commands
 * that a program sends by another way.
 */
function ioctl(call: Call): Reply {
  const { fileSystem, request, reply, session } = call
  const command = request.u32(IoctlIn.command)
  const bytes = argumentBytes.get(command)
  const inBytes = request.u32(IoctlIn.inBytes)
  const outBytes = request.u32(IoctlIn.outBytes)
  if (!isFileFlags(command) || bytes === undefined) throw new FsError('ENOTTY', 'unknown ioctl')
  const isSetting = command === FileFlagsCommand.set || command === FileFlagsCommand.setExtended
  if (isSetting ? inBytes !== bytes : outBytes !== bytes) throw new FsError('EINVAL', 'ioctl')
  const value = isSetting ? request.bytes(IoctlIn.bytes, bytes) : new Uint8Array(bytes)
  const { node, caller } = request
  fileSystem.fileFlags(node, request.u64(IoctlIn.handle), command, value, caller)
  // The change time has moved, which the kernel does not think of here.
  if (isSetting) session.expireAttributes(Math.floor(node / 2 ** 32), node >>> 0)
  reply.zero(0, IoctlOut.bytes)
  reply.putBytes(IoctlOut.bytes, isSetting ? new Uint8Array(0) : value)
  return reply.body(IoctlOut.bytes + (isSetting ? 0 : bytes))
}

function isFileFlags(command: number): command is FileFlagsCommand {
  return argumentBytes.has(command)
}
