import { fstatSync } from 'node:fs'
import type { BigIntStats } from 'node:fs'
import type { ByteString } from '../base/bytes.js'
import { byteStringOfText, textOf } from '../base/bytes.js'
import { FsError, fsErrorOf, isErrno } from '../base/errno.js'
import type { Native } from '../base/native.js'
import { O } from '../base/open-flags.js'
import { parseSnapshotName, plainSnapshotName } from '../store/snapshot-name.js'

/** A volume of the group. */
export interface GroupMember {
  /** Its directory in a snapshot of the group. */
  id: ByteString
  /** Where it is mounted. */
  mountPoint: string
  /** Tells its inode numbers from those of the others: below 64. */
  index: number
}

const fuseMagic = 0x65735546
const statfsType = 8
const statfsFieldCount = 9
const snapshotsDirectory = '.snapshots' as ByteString

/**
 * The volumes of a group as a program sees them, by their mounts. No descriptor is kept: it would keep a volume from
 * being unmounted.
 */
export class GroupMembers {
  readonly all: readonly GroupMember[]
  readonly #native: Native
  readonly #space = new Float64Array(statfsFieldCount)

  constructor(native: Native, all: readonly GroupMember[]) {
    this.#native = native
    this.all = all
  }

  byId(id: ByteString): GroupMember | undefined {
    return this.all.find((member) => member.id === id)
  }

  /** All names of snapshots that a volume has. ENOTCONN if it is not mounted: what it has is not known then. */
  snapshotsOf(member: GroupMember): ByteString[] {
    const names = this.list(member, [snapshotsDirectory]).map(({ name }) => nameOfPlain(name))
    return names.filter((name) => name !== undefined)
  }

  /** Those that have the snapshot. ENOTCONN as above. */
  having(snapshot: ByteString): GroupMember[] {
    return this.all.filter((member) => this.#has(member, snapshot))
  }

  /** Whether a volume has it; ENOTCONN only if none is found that has, and one was not asked. */
  isAnywhere(snapshot: ByteString): boolean {
    let unasked: unknown
    for (const member of this.all) {
      try {
        if (this.#has(member, snapshot)) return true
      } catch (error) {
        unasked = error
      }
    }
    if (unasked !== undefined) throw unasked as Error
    return false
  }

  #has(member: GroupMember, snapshot: ByteString): boolean {
    try {
      this.stat(member, [snapshot])
      return true
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return false
      throw error
    }
  }

  /** A link is not followed. */
  stat(member: GroupMember, path: readonly ByteString[]): BigIntStats {
    return this.with(member, path, O.PATH | O.NOFOLLOW, (fd) => fstatSync(fd, { bigint: true }))
  }

  list(member: GroupMember, path: readonly ByteString[]): GroupEntry[] {
    return this.with(member, path, O.RDONLY | O.DIRECTORY, (fd) => {
      const packed = this.#native.readDirectory(fd)
      if (typeof packed === 'number') throw fsErrorOf(packed, 'readdir')
      return unpacked(packed)
    })
  }

  with<T>(
    member: GroupMember,
    path: readonly ByteString[],
    flags: number,
    use: (fd: number) => T,
  ): T {
    const fd = this.open(member, path, flags)
    try {
      return use(fd)
    } finally {
      this.#native.close(fd)
    }
  }

  /** Step by step, so that no path is too long, and no link leads elsewhere. */
  open(member: GroupMember, path: readonly ByteString[], flags: number): number {
    let fd = this.#openRoot(member)
    for (const [at, name] of path.entries()) {
      const isLast = at === path.length - 1
      const next = this.#native.openAt(fd, name, isLast ? flags : O.PATH | O.DIRECTORY, 0)
      this.#native.close(fd)
      if (next < 0) throw fsErrorOf(next, `open ${name}`)
      fd = next
    }
    return fd
  }

  /** ENOTCONN if it is not mounted: then the plain directory is no past of anything. */
  #openRoot(member: GroupMember): number {
    const fd = this.#native.openStraight(member.mountPoint, O.PATH | O.DIRECTORY)
    if (fd < 0) throw fsErrorOf(fd, member.mountPoint)
    const result = this.#native.statfs(fd, this.#space)
    if (result >= 0 && this.#space[statfsType] === fuseMagic) return fd
    this.#native.close(fd)
    throw new FsError('ENOTCONN', `${member.mountPoint} is not mounted`)
  }
}

export interface GroupEntry {
  name: ByteString
  type: number
  inoHigh: number
  inoLow: number
}

/** What Native.readDirectory gives, with all 64 bits of the inode numbers. */
function unpacked(packed: Buffer): GroupEntry[] {
  const entries: GroupEntry[] = []
  for (let at = 0; at < packed.length;) {
    const nameStart = at + 10
    const nameEnd = nameStart + (packed[at + 9] ?? 0)
    entries.push({
      name: packed.toString('latin1', nameStart, nameEnd) as ByteString,
      type: packed[at + 8] ?? 0,
      inoHigh: packed.readUInt32LE(at + 4),
      inoLow: packed.readUInt32LE(at),
    })
    at = nameEnd
  }
  return entries
}

/** `@GMT-…` for a plain name in `.snapshots`, where tags are too. */
function nameOfPlain(plain: ByteString): ByteString | undefined {
  const [date = '', time = ''] = textOf(plain).split('_')
  const name = `@GMT-${date.replaceAll('-', '.')}-${time}`
  if (parseSnapshotName(name) === undefined) return undefined
  return plainSnapshotName(name) === plain ? byteStringOfText(name) : undefined
}
