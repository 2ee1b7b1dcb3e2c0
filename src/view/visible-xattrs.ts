import { readlinkSync } from 'node:fs'
import { statusField } from '../volume/process-status.js'

const administration = 1n << 21n // CAP_SYS_ADMIN
const trusted = 'trusted.'

/**
 * The names that a caller may see, of a NUL-terminated list: trusted.* are for those with CAP_SYS_ADMIN. The origin
 * has answered for the daemon, and the kernel leaves lists to us (each single one it guards itself).
 */
export function visibleXattrs(list: Uint8Array, caller: { readonly pid: number }): Uint8Array {
  const names = Buffer.from(list.buffer, list.byteOffset, list.length).toString('latin1')
  if (!names.startsWith(trusted) && !names.includes(`\0${trusted}`)) return list
  if (isAdministrator(caller.pid)) return list
  const visible = names.split('\0').filter((name) => !name.startsWith(trusted))
  return Buffer.from(visible.join('\0'), 'latin1')
}

function isAdministrator(pid: number): boolean {
  const effective = statusField(pid, 'CapEff')
  if (effective === undefined || (BigInt(`0x${effective}`) & administration) === 0n) return false
  // In a user namespace of its own everybody is root, and administers nothing of ours.
  try {
    return readlinkSync(`/proc/${pid}/ns/user`) === readlinkSync('/proc/self/ns/user')
  } catch {
    return false
  }
}
