import { readdirSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Candidate } from './candidates.js'

/** Those whose path begins so, each with a slash behind it. Hidden ones if a dot has been typed. */
export function directories(typed: string): Candidate[] {
  const parent = typed.slice(0, typed.lastIndexOf('/') + 1)
  const begun = typed.slice(parent.length)
  const place = parent.startsWith('~/') ? join(homedir(), parent.slice(1)) : parent || '.'
  try {
    return readdirSync(place, { withFileTypes: true })
      .filter(({ name }) => name.startsWith(begun) && (begun !== '' || !name.startsWith('.')))
      .filter(
        (entry) =>
          entry.isDirectory() || (entry.isSymbolicLink() && isDirectory(place, entry.name)),
      )
      .map(({ name }) => ({ value: `${parent}${name}/`, description: '' }))
  } catch {
    return []
  }
}

function isDirectory(parent: string, name: string): boolean {
  return statSync(join(parent, name), { throwIfNoEntry: false })?.isDirectory() === true
}
