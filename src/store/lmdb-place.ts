import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { FsError } from '../base/errno.js'
import { codeOf } from './durable-file.js'
import { dataName, lockName } from './index-state.js'

/** More than LMDB's lock file takes. */
const lockBytes = 16 << 10

/** The kernel's own memory first. */
const places = (): string[] => ['/dev/shm', '/run', tmpdir()]

/**
 * Has LMDB open the file `name` in `directory` with its lock file elsewhere, in memory: it writes that through
 * a mapping, for which a file system may need space at any time; when there is none, the kernel ends the process
 * (SIGBUS). Nobody else has the index open, so nobody misses the file; LMDB keeps it open, without a name.
 */
export function openBeside<T>(directory: string, name: string, open: (path: string) => T): T {
  fs.rmSync(join(directory, lockName), { force: true })
  const place = makePlace()
  if (place === undefined) {
    if (name !== dataName) throw new FsError('ENOSPC', 'there is no place for a lock file')
    return open(directory)
  }
  try {
    fs.symlinkSync(resolve(directory, name), join(place, dataName))
    return open(place)
  } finally {
    fs.rmSync(place, { recursive: true, force: true })
  }
}

/** A directory with a lock file whose blocks are there; undefined if that can be had nowhere. */
function makePlace(): string | undefined {
  for (const parent of places()) {
    let place
    try {
      place = fs.mkdtempSync(join(parent, 'bygone-index-'))
      fs.writeFileSync(join(place, lockName), Buffer.alloc(lockBytes), { mode: 0o600 })
      return place
    } catch (error) {
      if (place !== undefined) fs.rmSync(place, { recursive: true, force: true })
      if (codeOf(error) === undefined) throw error
    }
  }
  return undefined
}
