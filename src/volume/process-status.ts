import { readFileSync } from 'node:fs'

/**
 * A field of /proc/PID/status of a process that waits for an answer: what no request carries. The process is held
 * by its request meanwhile, so that its pid can't be another's. Undefined if it can't be seen from here (pid 0).
 */
export function statusField(pid: number, field: string): string | undefined {
  if (pid === 0) return undefined
  let status: string
  try {
    status = readFileSync(`/proc/${pid}/status`, 'latin1')
  } catch {
    return undefined
  }
  return new RegExp(`^${field}:(.*)$`, 'm').exec(status)?.[1]?.trim()
}
