import { statusField } from './process-status.js'

/** A process that waits for an answer, as its request tells of it. */
export interface GroupMember {
  readonly uid: number
  readonly gid: number
  /** 0: not visible from here. */
  readonly pid: number
}

/** Whether root, or a process that has the group as its own or as one of its supplementary groups. */
export function isInGroup(caller: GroupMember, gid: number): boolean {
  return caller.uid === 0 || caller.gid === gid || supplementaryGroups(caller.pid).includes(gid)
}

/** None of a process that can't be seen: it is then treated as a member of its own group only. */
export function supplementaryGroups(pid: number): number[] {
  const groups = statusField(pid, 'Groups') ?? ''
  return (groups.match(/\d+/g) ?? []).map(Number)
}
