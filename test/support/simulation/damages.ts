import type { Random } from '../random.js'
import { recordStarts } from '../crashed-volume.js'
import { foreignJournal } from './foreign-journal.js'
import type { SimDisk } from './sim-disk.js'

/** How the process that used the volume ended; 'restarted': killed, and then the machine. */
export type Ending = 'closed' | 'killed' | 'restarted'

export interface DamageTarget {
  readonly ending: Ending
  /** STORE/volumes/<id>. */
  readonly directory: string
  /** The newest segment at a time when all of it was on the disk, and how long it was. */
  readonly known: { readonly path: string; readonly bytes: number }
}

export interface Damage {
  /** Whether the volume may refuse to open, or what is hit be an error. */
  readonly mayFail: boolean
  /** Returns what it did, or undefined if here it can do nothing that must be noticed. */
  inflict(disk: SimDisk, target: DamageTarget, random: Random): string | undefined
}

/** One bit of the journal. */
const flip: Damage = {
  mayFail: true,
  inflict: (disk, target, random) => {
    const path = random.pick(segmentsOf(disk, target))
    const end = knownBytes(disk, target, path)
    if (end === 0) return undefined
    const at = somewhere(bytesOf(disk, path), end, random)
    change(disk, path, at, (byte) => byte ^ (1 << random.below(8)))
    return `a bit of ${path} at ${at} is wrong`
  },
}

/** Mostly where it matters most: in the segment's header, in that of a record, in its body. */
function somewhere(segment: Buffer, end: number, random: Random): number {
  const starts = recordStarts(segment).filter((start) => start < end && start < segment.length)
  if (random.isLikely(0.2) || starts.length === 0) return random.below(Math.min(end, 64))
  if (random.isLikely(0.2)) return random.below(end)
  const start = random.pick(starts)
  const length = random.isLikely(0.5) ? 40 : 40 + segment.readUInt32LE(start + 24)
  return start + random.below(Math.min(length, end - start))
}

/** Bytes that were written somewhere else. */
const misplaced: Damage = {
  mayFail: true,
  inflict: (disk, target, random) => {
    const path = random.pick(segmentsOf(disk, target))
    const bytes = bytesOf(disk, path)
    const starts = recordStarts(bytes).slice(0, -1)
    const end = knownBytes(disk, target, path)
    if (starts.length < 2) return undefined
    const [from, to] = [random.pick(starts), random.pick(starts)]
    const record = bytes.subarray(from, starts.find((start) => start > from) ?? bytes.length)
    if (from === to || to + record.length > end) return undefined
    overwrite(disk, path, to, record)
    return `the record of ${path} at ${from} lies at ${to} too`
  },
}

/** What lies in the first segment is another volume's. */
const foreign: Damage = {
  mayFail: true,
  inflict: (disk, target) => {
    const path = segmentsOf(disk, target)[0] ?? ''
    const records = recordStarts(bytesOf(disk, path)).length - 1
    const others = foreignJournal()
    const start = recordStarts(others)[0] ?? 0
    const end = recordStarts(others)[records]
    // As a crash may leave it: nothing at all of the newest segment.
    const isNewest = segmentsOf(disk, target).length === 1
    if (end === undefined || (isNewest && target.ending === 'restarted')) return undefined
    const fd = disk.open(path, 'writing')
    disk.truncate(fd, start)
    disk.write(fd, others.subarray(start, end), start)
    disk.close(fd)
    return `the ${records} records of ${path} are another volume's`
  },
}

const cutShort: Damage = {
  mayFail: true,
  inflict: (disk, target, random) => {
    const segments = segmentsOf(disk, target)
    // What was written last a crash may have left so.
    const candidates = target.ending === 'closed' ? segments : segments.slice(0, -1)
    if (candidates.length === 0) return undefined
    const path = random.pick(candidates)
    const length = bytesOf(disk, path).length
    const atRecord = random.pick(recordStarts(bytesOf(disk, path)))
    const left = random.isLikely(0.5) ? random.below(length) : Math.min(atRecord, length - 1)
    const fd = disk.open(path, 'writing')
    disk.truncate(fd, left)
    disk.close(fd)
    return `${path} ends at ${left}`
  },
}

const longer: Damage = {
  mayFail: true,
  inflict: (disk, target, random) => {
    if (target.ending !== 'closed') return undefined
    const path = segmentsOf(disk, target).at(-1) ?? ''
    const bytes = bytesOf(disk, path)
    overwrite(disk, path, bytes.length, bytes.subarray(64, 64 + random.between(1, 500)))
    return `${path} goes on with what it began with`
  },
}

const gone: Damage = {
  mayFail: true,
  inflict: (disk, target, random) => {
    const path = random.pick(segmentsOf(disk, target))
    disk.remove(path)
    return `${path} is gone`
  },
}

const allGone: Damage = {
  mayFail: true,
  inflict: (disk, { directory }, random) => {
    const path = random.pick([directory, `${directory}/journal`])
    disk.rename(path, '/aside')
    return `${path} is gone`
  },
}

const exchanged: Damage = {
  mayFail: true,
  inflict: (disk, target, random) => {
    const segments = segmentsOf(disk, target)
    const [one, other] = [random.pick(segments), random.pick(segments)]
    if (one === other) return undefined
    disk.rename(one, '/store/aside')
    disk.rename(other, one)
    disk.rename('/store/aside', other)
    return `${one} and ${other} are exchanged`
  },
}

/** The state says whether the index may be believed: in doubt it is not, and made anew. */
const stateWrong: Damage = {
  mayFail: false,
  inflict: (disk, target, random) => {
    const path = `${target.directory}/index/state`
    const at = random.below(bytesOf(disk, path).length)
    change(disk, path, at, (byte) => byte ^ (1 << random.below(8)))
    return `a bit of the state at ${at} is wrong`
  },
}

/** Somebody wrote to the index; LMDB itself would not notice. */
const indexWritten: Damage = {
  mayFail: false,
  inflict: (disk, target, random) => {
    if (target.ending === 'killed') return undefined
    const path = `${target.directory}/index/data.mdb`
    const at = random.below(bytesOf(disk, path).length)
    change(disk, path, at, (byte) => byte ^ 1)
    return `the index was written to at ${at}`
  },
}

const indexCut: Damage = {
  mayFail: false,
  inflict: (disk, target, random) => {
    const path = `${target.directory}/index/data.mdb`
    const fd = disk.open(path, 'writing')
    disk.truncate(fd, random.below(disk.sizeOf(fd)))
    disk.close(fd)
    return 'the index is cut short'
  },
}

const indexGone: Damage = {
  mayFail: false,
  inflict: (disk, target, random) => {
    const name = random.pick(['state', 'data.mdb'])
    disk.remove(`${target.directory}/index/${name}`)
    return `index/${name} is gone`
  },
}

/** Under the index, unnoticed: of what is read from it each value is checked by itself. */
const valueWrong: Damage = {
  mayFail: true,
  inflict: (disk, _, random) => {
    disk.indexDamage = random
    return 'a bit of a value of the index is wrong'
  },
}

export const damages: readonly Damage[] = [
  flip,
  flip,
  flip,
  misplaced,
  foreign,
  cutShort,
  longer,
  gone,
  allGone,
  exchanged,
  stateWrong,
  indexWritten,
  indexCut,
  indexGone,
  valueWrong,
]

function segmentsOf(disk: SimDisk, { directory }: DamageTarget): string[] {
  return segmentsIn(disk, directory)
}

export function newestSegment(disk: SimDisk, directory: string): DamageTarget['known'] {
  const path = segmentsIn(disk, directory).at(-1) ?? ''
  return { path, bytes: bytesOf(disk, path).length }
}

function segmentsIn(disk: SimDisk, directory: string): string[] {
  const names = disk.list(`${directory}/journal`).filter((name) => name.endsWith('.seg'))
  return names.sort().map((name) => `${directory}/journal/${name}`)
}

/** After a restart a record may have been lost, unless a later one knows that it was on the disk: the bytes up to there. */
function knownBytes(
  disk: SimDisk,
  { ending, directory, known }: DamageTarget,
  path: string,
): number {
  const { length } = bytesOf(disk, path)
  if (ending !== 'restarted' || path !== newestSegment(disk, directory).path) return length
  // Of a segment that was begun since, nobody has told.
  return path === known.path && length > known.bytes ? known.bytes : 64
}

function bytesOf(disk: SimDisk, path: string): Buffer {
  const fd = disk.open(path, 'reading')
  const bytes = Buffer.alloc(disk.sizeOf(fd))
  disk.read(fd, bytes, 0, bytes.length, 0)
  disk.close(fd)
  return bytes
}

function change(disk: SimDisk, path: string, at: number, to: (byte: number) => number): void {
  overwrite(disk, path, at, Buffer.of(to(bytesOf(disk, path)[at] ?? 0)))
}

function overwrite(disk: SimDisk, path: string, at: number, bytes: Uint8Array): void {
  const fd = disk.open(path, 'writing')
  disk.write(fd, bytes, at)
  disk.close(fd)
}
