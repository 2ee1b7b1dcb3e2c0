import { isInside } from './mount-table.js'
import {
  commandOf,
  descriptorInfo,
  descriptorsOf,
  otherProcesses,
  targetOf,
} from './other-processes.js'

/** Enough to say whom to close; a full list is what fuser(1) is for. */
const usersMax = 3

/**
 * Processes with something open in the mount, as `name (pid)`, as far as this user may see. Reads
 * links of /proc only: it asks nothing of the mount, which may be stuck.
 */
export function mountUsers(mountPoint: string, mountId: number): string[] {
  const users: string[] = []
  for (const pid of otherProcesses()) {
    if (!usesMount(pid, mountPoint, mountId)) continue
    users.push(`${commandOf(pid)} (pid ${pid})`)
    if (users.length === usersMax) break
  }
  return users
}

function usesMount(pid: string, mountPoint: string, mountId: number): boolean {
  const isIn = (link: string) => {
    const target = targetOf(`/proc/${pid}/${link}`)
    return target !== undefined && isInside(target, mountPoint)
  }
  if (['cwd', 'root', 'exe'].some(isIn)) return true
  // The same path may lie in the directory below the mount: the descriptor's mount id tells.
  return descriptorsOf(pid).some(
    (fd) => isIn(`fd/${fd}`) && descriptorInfo(pid, fd).mountId === mountId,
  )
}
