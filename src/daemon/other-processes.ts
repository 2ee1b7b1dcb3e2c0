import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/*
 * What /proc tells of other processes, as far as this user may see: what is not to be seen, or of one that has
 * just ended, is nothing. Asks nothing of any file system but that.
 */

export function otherProcesses(): string[] {
  return namesIn('/proc').filter((pid) => /^\d+$/.test(pid) && Number(pid) !== process.pid)
}

export function commandOf(pid: string): string {
  return textIn(`/proc/${pid}/comm`).trim() || 'a process'
}

export function descriptorsOf(pid: string): string[] {
  return namesIn(`/proc/${pid}/fd`)
}

/** `flags`: as open(2) has them. */
export function descriptorInfo(pid: string, fd: string): { mountId: number; flags: number } {
  const info = textIn(`/proc/${pid}/fdinfo/${fd}`)
  return {
    mountId: Number(/^mnt_id:\s*(\d+)$/m.exec(info)?.[1]),
    flags: Number.parseInt(/^flags:\s*([0-7]+)$/m.exec(info)?.[1] ?? '0', 8),
  }
}

/** A line for each mapping. */
export function mappingsOf(pid: string): string[] {
  return textIn(`/proc/${pid}/maps`).split('\n')
}

export function targetOf(link: string): string | undefined {
  try {
    return readlinkSync(link)
  } catch {
    return undefined
  }
}

function textIn(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}
