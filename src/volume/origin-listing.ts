import { fsErrorOf, isErrno } from '../base/errno.js'
import { O } from '../base/open-flags.js'
import { Listing } from './listing.js'
import type { Origin } from './origin.js'
import type { OriginNode } from './origin-node.js'

/** What a directory of the origin holds now, without marking it as read where that is allowed. */
export function listOrigin(origin: Origin, directory: OriginNode): Listing {
  const fd = openDirectory(origin, directory)
  try {
    const bytes = origin.native.readDirectory(fd)
    if (typeof bytes === 'number') throw fsErrorOf(bytes, 'readdir')
    return new Listing(bytes)
  } finally {
    origin.native.close(fd)
  }
}

function openDirectory(origin: Origin, directory: OriginNode): number {
  const flags = O.RDONLY | O.DIRECTORY
  try {
    return origin.open(directory, flags | O.NOATIME)
  } catch (error) {
    if (!isErrno(error, 'EPERM')) throw error
    return origin.open(directory, flags)
  }
}
