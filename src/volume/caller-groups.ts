import { readFileSync } from 'node:fs'

/** A process that waits for an answer, as its request tells of it. */
export interface GroupMember {
  readonly uid: number
  readonly gid: number
  /** 0: not visible from here. */
  readonly pid: number
}

/**
 * Whether root, or a process that has the group as its own or as one of its supplementary groups, which no
 * request carries. The process is held by its request meanwhile, so that its pid can't be another's.
 */
export function isInGroup(caller: GroupMember, gid: number): boolean {
  return caller.uid === 0 || caller.gid === gid || supplementaryGroups(caller.pid).includes(gid)
}

/** None of a process that can't be seen: it is then treated as a member of its own group only. */
function supplementaryGroups(pid: number): number[] {
  if (pid === 0) return []
  let status: string
  try {
    status = readFileSync(`/proc/${pid}/status`, 'latin1')
  } catch {
    return []
  }
  const groups = /^Groups:(.*)$/m.exec(status)?.[1] ?? ''
  return (groups.match(/\d+/g) ?? []).map(Number)
}
