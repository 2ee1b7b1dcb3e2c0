import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { isInside } from './mount-table.js'

/** Enough to say whom to close; a full list is what fuser(1) is for. */
const usersMax = 3

/**
 * Processes with something open in the mount, as `name (pid)`, as far as this user may see. Reads
 * links of /proc only: it asks nothing of the mount, which may be stuck.
 */
export function mountUsers(mountPoint: string, mountId: number): string[] {
  const users: string[] = []
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue
    if (!usesMount(`/proc/${pid}`, mountPoint, mountId)) continue
    users.push(`${commandOf(pid)} (pid ${pid})`)
    if (users.length === usersMax) break
  }
  return users
}

function usesMount(process: string, mountPoint: string, mountId: number): boolean {
  if (isIn(`${process}/cwd`, mountPoint) || isIn(`${process}/root`, mountPoint)) return true
  if (isIn(`${process}/exe`, mountPoint)) return true
  // The same path may lie in the directory below the mount: the descriptor's mount id tells.
  return namesIn(`${process}/fd`).some(
    (fd) => isIn(`${process}/fd/${fd}`, mountPoint) && mountIdOf(process, fd) === mountId,
  )
}

function isIn(link: string, mountPoint: string): boolean {
  try {
    return isInside(readlinkSync(link), mountPoint)
  } catch {
    return false
  }
}

function mountIdOf(process: string, fd: string): number {
  return Number(/^mnt_id:\s*(\d+)$/m.exec(read(`${process}/fdinfo/${fd}`))?.[1])
}

function commandOf(pid: string): string {
  return read(`/proc/${pid}/comm`).trim() || 'a process'
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** Empty for a process of somebody else, or one that has just ended. */
function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}
