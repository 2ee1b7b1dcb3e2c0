import type { Attributes } from '../base/attributes.js'
import { supplementaryGroups } from '../volume/caller-groups.js'
import type { GroupMember } from '../volume/caller-groups.js'

const search = 1
/** posix_acl(5) as an xattr: u32 version, then entries of u16 tag, u16 permissions, u32 id. */
const headerBytes = 4
const entryBytes = 8
const Tag = { owner: 1, user: 2, group: 4, namedGroup: 8, mask: 0x10, other: 0x20 } as const

/**
 * Whether a caller may pass through a directory, as the kernel decides it. For those directories of a snapshot that
 * the kernel does not see: it comes to `sub/@GMT-…` by what is above `sub` today.
 */
export function maySearch(
  { mode, uid, gid }: Pick<Attributes, 'mode' | 'uid' | 'gid'>,
  acl: Uint8Array | undefined,
  caller: GroupMember,
): boolean {
  if (caller.uid === 0) return true
  if (caller.uid === uid) return ((mode >> 6) & search) !== 0
  const entries = acl === undefined ? [] : entriesOf(acl)
  const mask = entries.find(({ tag }) => tag === Tag.mask)?.permissions ?? search
  const own = entries.find(({ tag, id }) => tag === Tag.user && id === caller.uid)
  if (own !== undefined) return (own.permissions & mask & search) !== 0
  const groups = [caller.gid, ...supplementaryGroups(caller.pid)]
  // With an ACL the mode's group bits are the mask.
  const groupPermissions = entries.find(({ tag }) => tag === Tag.group)?.permissions ?? mode >> 3
  const matching = entries
    .filter(({ tag, id }) => tag === Tag.namedGroup && groups.includes(id))
    .map(({ permissions }) => permissions)
  if (groups.includes(gid)) matching.push(groupPermissions)
  if (matching.length > 0) return matching.some((each) => (each & mask & search) !== 0)
  return (mode & search) !== 0
}

function entriesOf(acl: Uint8Array): { tag: number; permissions: number; id: number }[] {
  const bytes = Buffer.from(acl)
  const entries = []
  for (let at = headerBytes; at + entryBytes <= bytes.length; at += entryBytes) {
    const tag = bytes.readUInt16LE(at)
    entries.push({ tag, permissions: bytes.readUInt16LE(at + 2), id: bytes.readUInt32LE(at + 4) })
  }
  return entries
}
