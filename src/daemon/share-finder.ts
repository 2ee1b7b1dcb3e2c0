import { stat } from 'node:fs/promises'
import { basename, join, relative } from 'node:path'
import { Failure } from '../base/failure.js'
import { latestName, snapshotPrefix, snapshotsDirectory } from '../volume/hidden-names.js'
import type { VolumeSummary } from './control-protocol.js'
import { failureOf } from './failure-of.js'
import { isInside, mountAround, mountOwner, readMountTable } from './mount-table.js'
import type { MountEntry } from './mount-table.js'
import { ownDirectory } from './origin-marker.js'
import { checkShareName, sambaShare, shareNameFrom } from './samba-share.js'
import type { SambaShare } from './samba-share.js'
import { findMounted } from './volume-finder.js'

export interface ShareFound {
  share: SambaShare
  /** Why clients may not see what they should although the share is right, a line each. */
  notes: string[]
}

/**
 * The share of a mounted volume, or of the sub-directory that `text` is the path of. Without `text` it is
 * the whole volume around the working directory.
 */
export async function findShare(
  text: string | undefined,
  shareName: string | undefined,
): Promise<ShareFound> {
  if (shareName !== undefined) checkShareName(shareName)
  const { client, summary, path } = await findMounted(text)
  client.close()
  const { mountPoint } = summary
  if (mountPoint === null) throw new Failure('failed', `${summary.origin} is not mounted`)
  const inner = text === undefined || path === undefined ? '' : innerPath(path, summary, mountPoint)
  const shared = join(mountPoint, inner)
  const entry = mountAround(readMountTable(), shared)
  if (entry?.device !== summary.device) {
    const advice = 'share it without bygone'
    throw new Failure('usage', `another file system is mounted on ${shared}: ${advice}`)
  }
  // Another user's mount that lets nobody in tells nothing of its directories either.
  const canLook = isOpenToOthers(entry) || mountOwner(entry) === process.geteuid?.()
  if (canLook) await checkDirectory(shared)
  const name = shareName ?? shareNameFrom(inner === '' ? summary.name : basename(inner))
  return {
    share: sambaShare(name, mountPoint, inner),
    notes: [
      ...(isOpenToOthers(entry) ? [] : [noteOnOthers(entry)]),
      ...(inner !== '' && canLook ? await notesOnListing(mountPoint) : []),
    ],
  }
}

/** Where a path, in the mount or in the origin beside it, is below the mount point. */
function innerPath(path: string, { origin }: VolumeSummary, mountPoint: string): string {
  const inner = relative(isInside(path, mountPoint) ? mountPoint : origin, path)
  const names = inner.split('/')
  if (names[0] === ownDirectory) {
    throw new Failure('usage', `${path} is bygone's own: share a directory of the volume`)
  }
  const isPast = (name: string) => name.startsWith(snapshotPrefix) || name === latestName
  if (names[0] === snapshotsDirectory || names.some(isPast)) {
    const advice = 'share the live directory, and clients find its snapshots there'
    throw new Failure('usage', `${path} is in a snapshot: ${advice}`)
  }
  return inner
}

async function checkDirectory(path: string): Promise<void> {
  const found = await stat(path).catch((error: unknown) => {
    throw failureOf(error, `can't reach ${path}`)
  })
  if (!found.isDirectory()) {
    throw new Failure('usage', `${path} is not a directory: only directories can be shared`)
  }
}

function isOpenToOthers(entry: MountEntry): boolean {
  return entry.superOptions.includes('allow_other')
}

function noteOnOthers(entry: MountEntry): string {
  return (
    `only uid ${mountOwner(entry)} can enter ${entry.mountPoint}, and smbd is another user: ` +
    'mount it as root, or with --allow-other'
  )
}

/** smbd lists the versions as the client's user, and it lists them in the volume's root. */
async function notesOnListing(mountPoint: string): Promise<string[]> {
  const { mode } = await stat(mountPoint)
  if ((mode & 0o005) === 0o005) return []
  return [`users who may not list ${mountPoint} itself see no previous versions: its mode decides`]
}
