import { Failure } from '../base/failure.js'
import type { Reply, ReplyWriter } from './reply-writer.js'
import type { RequestReader } from './request-reader.js'
import { InitIn, InitOut } from './structs.js'

/** The largest WRITE and READ. The session's buffers are made for it before INIT comes. */
export const writeBytesMax = 1 << 20

/** What INIT agreed on with the kernel: shown by `bygone status`. */
export interface Agreement {
  /** The protocol in use, such as `7.39`. */
  protocol: string
  minor: number
  writeBytesMax: number
  readaheadBytesMax: number
  /** Names of the features in force, in the order of `wanted`. */
  features: string[]
  /** Those that would be used but that this kernel does not offer. */
  missing: string[]
}

interface Feature {
  name: string
  /** FUSE_… flag of INIT, 0 to 63. */
  bit: number
}

const maxPages: Feature = { name: 'max-pages', bit: 22 }
const initExt: Feature = { name: 'init-ext', bit: 30 }
const setxattrExt: Feature = { name: 'setxattr-ext', bit: 29 }

/**
 * Left out on purpose:
 * - writeback-cache: write(2) would return before the daemon has seen the bytes, and a snapshot must
 *   have every write that was accepted before it was cut;
 * - passthrough: writes would reach the origin without preserving what they overwrite;
 * - atomic-o-trunc: truncation comes as SETATTR, the one place that preserves what is cut off;
 * - allow-idmap: requests other than those that create would no longer say who asks, and every change is
 *   made as he would make it;
 * - posix-locks, flock-locks: the kernel keeps the locks, as for a local file system;
 * - auto-inval-data and handle-killpriv (v1): their successors below exclude them.
 */
const wanted: readonly Feature[] = [
  { name: 'async-read', bit: 0 },
  // A file is found again by its node id after the kernel has forgotten it: see FileSystem.lookup.
  { name: 'export-support', bit: 4 },
  { name: 'big-writes', bit: 5 },
  // The origin's file system applies the umask, or a default ACL instead of it.
  { name: 'dont-mask', bit: 6 },
  { name: 'readdirplus', bit: 13 },
  { name: 'readdirplus-auto', bit: 14 },
  // Else the kernel takes direct I/O of one caller (libaio, io_uring, a large one in pieces) a request at a time.
  { name: 'async-dio', bit: 15 },
  { name: 'parallel-dirops', bit: 18 },
  { name: 'posix-acl', bit: 20 },
  maxPages,
  { name: 'cache-symlinks', bit: 23 },
  // Cached pages are dropped when we say so, not when a time stamp moves: each write moves one.
  { name: 'explicit-inval-data', bit: 25 },
  { name: 'handle-killpriv-v2', bit: 28 },
  setxattrExt,
  initExt,
  { name: 'expire-only', bit: 35 },
  { name: 'direct-io-mmap', bit: 36 },
  // Requests can be asked for again: so a daemon that dies can be replaced under the mount.
  { name: 'resend', bit: 39 },
]

const major = 7
/** Linux 4.9: POSIX ACLs. RENAME2, LSEEK and readdirplus are older. */
const minorMin = 26
/** For tests: names of features to do without, as if the kernel had none of them. */
const withheld = new Set(process.env['BYGONE_WITHOUT_FEATURES']?.split(','))

/** The newest protocol whose requests this codec knows. */
const minorMax = 45

/** Background requests (readahead, asynchronous direct I/O) that may wait for the one thread. */
const backgroundMax = 64
const congestionThreshold = 48

const pageBytes = 4096
/** What a request holds at most without FUSE_MAX_PAGES. */
const writeBytesMaxOld = 32 * pageBytes

/**
 * Answers INIT. `undefined` in place of an agreement: the kernel speaks a later major version and will ask
 * again in ours. Throws Failure when the kernel is too old; INIT then stays unanswered, for the mount
 * is given up.
 */
export function negotiate(
  request: RequestReader,
  reply: ReplyWriter,
): { agreement: Agreement | undefined; reply: Reply } {
  const kernelMajor = request.u32(InitIn.major)
  const kernelMinor = request.u32(InitIn.minor)
  reply.zero(0, InitOut.bytes)
  reply.putU32(InitOut.major, major)
  reply.putU32(InitOut.minor, Math.min(kernelMinor, minorMax))
  if (kernelMajor > major) return { agreement: undefined, reply: reply.body(InitOut.bytes) }
  if (kernelMajor < major || kernelMinor < minorMin) {
    throw new Failure(
      'failed',
      `this kernel speaks version ${kernelMajor}.${kernelMinor} of the FUSE protocol; ` +
        `version ${major}.${minorMin} is needed: use Linux 4.9 or later`,
    )
  }

  const offered = request.u32(InitIn.flags)
  const hasFlags2 = isSet(offered, initExt.bit) && request.hasBody(InitIn.bytes)
  const offered2 = hasFlags2 ? request.u32(InitIn.flags2) : 0
  let flags = 0
  let flags2 = 0
  const features: string[] = []
  const missing: string[] = []
  for (const { name, bit } of wanted) {
    if (withheld.has(name) || !isSet(bit < 32 ? offered : offered2, bit & 31)) {
      missing.push(name)
      continue
    }
    features.push(name)
    if (bit < 32) flags |= 1 << bit
    else flags2 |= 1 << (bit - 32)
  }

  const agreement: Agreement = {
    protocol: `${major}.${Math.min(kernelMinor, minorMax)}`,
    minor: Math.min(kernelMinor, minorMax),
    writeBytesMax: isSet(flags, maxPages.bit) ? writeBytesMax : writeBytesMaxOld,
    readaheadBytesMax: request.u32(InitIn.readaheadBytesMax),
    features,
    missing,
  }
  reply.putU32(InitOut.readaheadBytesMax, agreement.readaheadBytesMax)
  reply.putU32(InitOut.flags, flags)
  reply.putU16(InitOut.backgroundMax, backgroundMax)
  reply.putU16(InitOut.congestionThreshold, congestionThreshold)
  reply.putU32(InitOut.writeBytesMax, agreement.writeBytesMax)
  // Times are kept to the nanosecond.
  reply.putU32(InitOut.timeGranularity, 1)
  reply.putU16(InitOut.pagesMax, writeBytesMax / pageBytes)
  reply.putU32(InitOut.flags2, flags2)
  return { agreement, reply: reply.body(InitOut.bytes) }
}

/** Whether SETXATTR comes in its longer form. */
export function hasSetxattrExt(agreement: Agreement | undefined): boolean {
  return agreement?.features.includes(setxattrExt.name) === true
}

function isSet(flags: number, bit: number): boolean {
  return ((flags >>> bit) & 1) !== 0
}
