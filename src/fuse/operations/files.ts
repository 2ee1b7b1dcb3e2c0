import { checked, FsError } from '../../base/errno.js'
import { O, Seek } from '../../base/open-flags.js'
import type { Call, OperationList } from '../call.js'
import {
  FSYNC_DATA_ONLY,
  OPEN_KILL_PRIVILEGES,
  WRITE_CACHE,
  WRITE_KILL_PRIVILEGES,
} from '../flags.js'
import { Opcode } from '../opcodes.js'
import type { Reply } from '../reply-writer.js'
import { noReply } from '../reply-writer.js'
import {
  CopyFileRangeIn,
  CreateIn,
  FallocateIn,
  FlushIn,
  FsyncIn,
  LseekIn,
  OpenIn,
  ReadIn,
  ReleaseIn,
  WriteIn,
} from '../structs.js'

/**
 * What is left to the kernel: it aligns direct I/O for us, and truncates by SETATTR. On a descriptor of ours these
 * flags would do harm.
 */
const kernelFlags = O.CREAT | O.NOCTTY | O.TRUNC | O.DIRECT

/** One COPY_FILE_RANGE: the one thread must not be gone for long, and the answer holds 32 bits. */
const copyBytesMax = 64 << 20

export const fileOperations: OperationList = [
  [Opcode.open, { bodyBytesMin: OpenIn.bytes, answer: open }],
  [Opcode.create, { bodyBytesMin: CreateIn.bytes, answer: create }],
  [Opcode.tmpfile, { bodyBytesMin: CreateIn.bytes, answer: tmpfile }],
  [Opcode.release, { bodyBytesMin: ReleaseIn.bytes, answer: release }],
  [Opcode.read, { bodyBytesMin: ReadIn.bytes, answer: read }],
  [Opcode.write, { bodyBytesMin: WriteIn.bytes, answer: write }],
  [Opcode.flush, { bodyBytesMin: FlushIn.bytes, answer: flush }],
  [Opcode.fsync, { bodyBytesMin: FsyncIn.bytes, answer: fsync }],
  [Opcode.fallocate, { bodyBytesMin: FallocateIn.bytes, answer: fallocate }],
  [Opcode.lseek, { bodyBytesMin: LseekIn.bytes, answer: lseek }],
  [Opcode.copyFileRange, { bodyBytesMin: CopyFileRangeIn.bytes, answer: copyFileRange }],
  [Opcode.copyFileRange64, { bodyBytesMin: CopyFileRangeIn.bytes, answer: copyFileRange64 }],
]

function open(call: Call): Reply {
  const { request } = call
  const flags = request.u32(OpenIn.flags) & ~(kernelFlags | O.EXCL)
  const opened = call.freshOpened()
  call.fileSystem.open(request.node, flags, request.caller, opened)
  attach(call)
  return call.reply.openedFile(opened)
}

function create(call: Call): Reply {
  const { fileSystem, request } = call
  const name = request.name(CreateIn.name)
  const asked = request.u32(CreateIn.flags)
  const mode = request.u32(CreateIn.mode)
  request.caller.umask = request.u32(CreateIn.umask)
  const entry = call.freshEntry()
  const opened = call.freshOpened()
  const flags = asked & ~kernelFlags
  fileSystem.create(request.node, name, flags, mode, request.caller, entry, opened)
  // Somebody else made the file after the kernel had found that there was none.
  if ((asked & O.TRUNC) !== 0 && entry.attributes.sizeBytes > 0) truncateCreated(call)
  attach(call)
  return call.reply.created(entry, opened)
}

/** From now on the session moves the data of the file just opened. */
function attach({ session, opened, request: { caller } }: Call): void {
  session.attach(opened.handle, opened.dataFd, opened.guard, caller.uid, caller.gid)
}

function truncateCreated(call: Call): void {
  const { fileSystem, request, entry, opened } = call
  const change = call.freshChange()
  change.sizeBytes = 0
  change.killPrivileges = (request.u32(CreateIn.openFlags) & OPEN_KILL_PRIVILEGES) !== 0
  try {
    fileSystem.setattr(entry.node, opened.handle, change, request.caller, entry)
  } catch (error) {
    fileSystem.release(opened.handle)
    fileSystem.forget(entry.node, 1)
    throw error
  }
}

function tmpfile(call: Call): Reply {
  const { request } = call
  // The name that follows is made up by the kernel.
  const flags = request.u32(CreateIn.flags) & ~(kernelFlags | O.TMPFILE)
  const mode = request.u32(CreateIn.mode)
  request.caller.umask = request.u32(CreateIn.umask)
  const entry = call.freshEntry()
  const opened = call.freshOpened()
  call.fileSystem.tmpfile(request.node, flags, mode, request.caller, entry, opened)
  attach(call)
  return call.reply.created(entry, opened)
}

function release({ fileSystem, session, request, reply }: Call): Reply {
  const handle = request.u64(ReleaseIn.handle)
  // First of all, for release closes the descriptor, and its number may come back as another file's.
  session.detach(handle)
  fileSystem.release(handle)
  return reply.empty()
}

function read({ fileSystem, session, request, plan }: Call): Reply {
  const offset = request.fileOffset(ReadIn.offset)
  plan.begin(offset)
  const guard = fileSystem.planRead(
    request.u64(ReadIn.handle),
    offset,
    request.u32(ReadIn.size),
    plan,
  )
  const { words, pieceCount, lengthBytes, reachesEnd } = plan
  checked(
    session.replyRead(words, pieceCount, plan.offset, lengthBytes, reachesEnd, guard),
    'read by plan',
  )
  return noReply
}

function write({ fileSystem, session, request, reply }: Call): Reply {
  const size = request.u32(WriteIn.size)
  if (!request.hasBody(WriteIn.data + size)) throw new FsError('EINVAL', 'truncated request')
  const flags = request.u32(WriteIn.writeFlags)
  const killPrivileges = (flags & WRITE_KILL_PRIVILEGES) !== 0
  const offset = request.fileOffset(WriteIn.offset)
  try {
    const fd = fileSystem.prepareWrite(
      request.u64(WriteIn.handle),
      offset,
      size,
      killPrivileges ? request.caller : undefined,
    )
    if (fd === -1) return reply.written(size)
    checked(session.replyWrite(fd), 'write')
  } catch (error) {
    // Pages of a mapping would go on showing what the file has not.
    if ((flags & WRITE_CACHE) !== 0) {
      session.notifyInode(Math.floor(request.node / 2 ** 32), request.node >>> 0, offset, size)
    }
    throw error
  }
  return noReply
}

/** Only kernels without FOPEN_NOFLUSH ask. Every write has gone to the file already. */
function flush({ reply }: Call): Reply {
  return reply.empty()
}

function fsync({ fileSystem, session, request, reply }: Call): Reply {
  const fds = fileSystem.planSync(request.u64(FsyncIn.handle))
  if (fds.length === 0) return reply.empty()
  session.replyAfterSync(fds, (request.u32(FsyncIn.flags) & FSYNC_DATA_ONLY) !== 0)
  return noReply
}

function fallocate({ fileSystem, request, reply }: Call): Reply {
  const handle = request.u64(FallocateIn.handle)
  const offset = request.fileOffset(FallocateIn.offset)
  const length = request.fileOffset(FallocateIn.length)
  fileSystem.fallocate(handle, request.u32(FallocateIn.mode), offset, length, request.caller)
  return reply.empty()
}

function lseek({ fileSystem, request, reply }: Call): Reply {
  const whence = request.u32(LseekIn.whence)
  if (whence !== Seek.data && whence !== Seek.hole) throw new FsError('EINVAL', 'whence')
  const offset = request.u64(LseekIn.offset)
  if (offset > Number.MAX_SAFE_INTEGER) throw new FsError('ENXIO', 'beyond the end')
  return reply.number(fileSystem.lseek(request.u64(LseekIn.handle), offset, whence))
}

function copyFileRange(call: Call): Reply {
  return call.reply.written(copyRange(call))
}

function copyFileRange64(call: Call): Reply {
  return call.reply.number(copyRange(call))
}

function copyRange({ fileSystem, request }: Call): number {
  return fileSystem.copyRange(
    request.u64(CopyFileRangeIn.handleIn),
    request.fileOffset(CopyFileRangeIn.offsetIn),
    request.u64(CopyFileRangeIn.handleOut),
    request.fileOffset(CopyFileRangeIn.offsetOut),
    Math.min(request.u64(CopyFileRangeIn.length), copyBytesMax),
    request.caller,
  )
}
