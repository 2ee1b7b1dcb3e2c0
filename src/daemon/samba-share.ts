import { Failure } from '../base/failure.js'

/*
 * A share of Samba's that shows snapshots as previous versions, as a section of smb.conf. Which parameters
 * it takes, and what their values can't hold, was measured: README, `Samba`.
 */

export interface SambaShare {
  name: string
  /** In the order of the section. */
  parameters: [name: string, value: string][]
}

/** `inner`: the shared directory, relative to the mount point; empty for the mount point itself. */
export function sambaShare(name: string, mountPoint: string, inner: string): SambaShare {
  const path = inner === '' ? mountPoint : `${mountPoint}/${inner}`
  for (const value of [path, mountPoint]) checkPath(value)
  return {
    name,
    parameters: [
      ['path', path],
      ['read only', 'no'],
      ['vfs objects', 'shadow_copy2'],
      ['shadow:mountpoint', mountPoint],
      ['shadow:snapdir', mountPoint],
      // A snapshot is of the whole volume: the file is looked up below it by its path from here.
      ...(inner === '' ? [] : ([['shadow:basedir', mountPoint]] as [string, string][])),
      ['shadow:format', '@GMT-%Y.%m.%d-%H.%M.%S'],
      ['shadow:localtime', 'no'],
      ['shadow:sort', 'desc'],
      // Below the mount's root none is listed, and such a name is one of the user's own.
      ...(inner === '' ? ([['veto files', '/@GMT-*/']] as [string, string][]) : []),
    ],
  }
}

/** The share's name if none is asked for: the directory's, as far as a share may be called so. */
export function shareNameFrom(directoryName: string): string {
  const name = Array.from(directoryName.replace(badCharacters, '_').replace(/\s+/g, ' ').trim())
    .slice(0, nameLengthMax)
    .join('')
    .trim()
  if (name === '' || name === '.' || name === '..') return 'bygone'
  return reservedNames.has(name.toLowerCase()) ? `${name}-volume` : name
}

export function checkShareName(name: string): void {
  const refuse = (why: string, advice: string) =>
    new Failure('usage', `'${name}' can't be the name of a share: ${why}; ${advice}`)
  const bad = name.match(badCharacters)?.[0]
  if (bad !== undefined) throw refuse(`'${bad}' is not allowed in one`, 'choose another --share')
  if (name === '' || name === '.' || name === '..' || name.trim() !== name || /\s\s/.test(name)) {
    throw refuse('smb.conf keeps no such blanks and dots', 'choose another --share')
  }
  if (Array.from(name).length > nameLengthMax) {
    throw refuse(`it has more than ${nameLengthMax} characters`, 'choose a shorter --share')
  }
  if (reservedNames.has(name.toLowerCase())) {
    throw refuse('it means something else to Samba', 'choose another --share')
  }
}

/** What Windows takes; Samba cuts at nothing shorter. */
const nameLengthMax = 80

// Samba's and Windows' own list, and what would end the head of a section or fill in a variable.
// eslint-disable-next-line no-control-regex
const badCharacters = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\ufffd%<>*?|/\\+=;:",[\]]/gu

const reservedNames = new Set(['global', 'homes', 'printers', 'ipc$', 'admin$', 'print$'])

/** Values in smb.conf have no quoting and no escapes: what they can't hold as it is, they can't hold. */
function checkPath(path: string): void {
  const why = whyNotInValue(path)
  if (why === undefined) return
  const advice = 'rename it, or share a directory above it or `bygone mount` on another mount point'
  throw new Failure('failed', `smb.conf can't hold the path '${path}': ${why}; ${advice}`)
}

function whyNotInValue(value: string): string | undefined {
  if (value.includes('%')) return 'Samba may take its % for a variable'
  if (/[\p{Cc}\u2028\u2029]/u.test(value)) return 'it has control characters'
  if (value.includes('\ufffd')) return 'it is not UTF-8'
  if (value.endsWith('\\')) return 'a backslash at the end joins lines'
  if (value.endsWith('"')) return 'a quote at the end is taken away'
  if (value.endsWith(' ')) return 'a blank at the end is taken away'
  if (value.includes('  ')) return 'several blanks become one'
  return undefined
}
