import { realpath, statfs } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import type { Native } from '../base/native.js'
import { unmountKernel } from './kernel-mount.js'
import { fuseType, isInside, readMountTable } from './mount-table.js'
import type { MountEntry } from './mount-table.js'

/** A live daemon answers a statfs at once; one that takes longer is stuck, not gone. */
const answerMsMax = 5000

/**
 * Takes away mounts over or of these paths whose daemon is gone (SIGKILL, a crash): they answer nothing
 * and would hide the origin and its store. Returns their mount points.
 */
export async function clearStaleMounts(
  native: Native,
  paths: readonly string[],
): Promise<string[]> {
  const places = await Promise.all(paths.map(placeOf))
  const concerned = readMountTable().filter(
    (entry) =>
      entry.type === fuseType &&
      places.some((place) => entry.source === place || isInside(place, entry.mountPoint)),
  )
  const cleared: string[] = []
  // The one on top first: the others are below it.
  for (const entry of concerned.reverse()) {
    if (!(await isStale(entry))) continue
    await unmountKernel(native, entry.mountPoint, true)
    cleared.push(entry.mountPoint)
  }
  return cleared
}

/** Whether nobody answers the mount any more. */
export async function isStale(entry: MountEntry): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, answerMsMax, false)
  })
  // Not stat: the kernel may still answer that itself, from the attributes it was told to keep.
  const answer = statfs(entry.mountPoint).then(
    () => false,
    (error: unknown) => (error as NodeJS.ErrnoException).code === 'ENOTCONN',
  )
  const isGone = await Promise.race([answer, deadline])
  clearTimeout(timer)
  return isGone
}

/** The absolute path, with links resolved as far as that works: the path itself may be a dead mount. */
async function placeOf(path: string): Promise<string> {
  const place = resolve(path)
  try {
    return await realpath(place)
  } catch {
    const parent = await realpath(dirname(place)).catch(() => dirname(place))
    return join(parent, basename(place))
  }
}
