import { existsSync } from 'node:fs'
import { realpath } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Failure } from '../base/failure.js'
import { DaemonGone } from './control-client.js'
import type { ControlClient } from './control-client.js'
import type { VolumeSummary } from './control-protocol.js'
import { connectToMount, hasSocket } from './daemon-finder.js'
import { failureOf } from './failure-of.js'
import { isStale } from './stale-mounts.js'
import { fuseType, isInside, mountAround, mountAt, readMountTable } from './mount-table.js'
import type { MountEntry } from './mount-table.js'
import { markerFile, readMarkerAt, storeOfMarker } from './origin-marker.js'

export interface MountedVolumeFound {
  client: ControlClient
  summary: VolumeSummary
  /** The path that was named, free of links; none if it was a name. */
  path?: string
}

/** A takeover takes well below a second; on a busy machine, or with a million files known, some. */
const takeoverMsMax = 20_000
const attemptsMax = 5

/** Where a volume was found: behind a daemon, in a store nobody serves it from, or under a dead mount. */
export type FoundVolume =
  | ({ state: 'mounted' } & MountedVolumeFound)
  | { state: 'unmounted'; origin: string; store: string; id: string }
  | { state: 'stale'; entry: MountEntry }

/**
 * The volume that a user means: a name, the origin, a mount point, or any path inside one; nothing
 * means the one around the working directory. The caller closes the client.
 */
export async function findVolume(text: string | undefined): Promise<FoundVolume> {
  const table = readMountTable()
  if (text === undefined || text.includes('/') || text === '.' || text === '..') {
    return findByPath(await placeOf(text, table), table)
  }
  const isPlace = isMountPoint(text, table) || existsSync(text)
  const root = isPlace ? volumeRootAt(await placeOf(text, table), table) : undefined
  const named = await findByName(text, root, table)
  if (named !== undefined) return named
  if (isPlace) return findByPath(await placeOf(text, table), table)
  const advice = 'see `bygone list`; one that is not mounted is named by its origin'
  throw new Failure('missing', `there is no mounted volume '${text}': ${advice}`)
}

/** The same for commands that need its daemon. */
export async function findMounted(text: string | undefined): Promise<MountedVolumeFound> {
  const found = await findVolume(text)
  switch (found.state) {
    case 'mounted':
      return found
    case 'unmounted':
      throw new Failure('failed', `${found.origin} is not mounted: \`bygone mount\` it first`)
    case 'stale':
      throw staleFailure(found.entry)
  }
}

export function staleFailure({ mountPoint, source }: MountEntry): Failure {
  const advice = '`bygone mount` it again'
  return new Failure(
    'failed',
    `the daemon of ${source}, mounted on ${mountPoint}, is gone: ${advice}`,
  )
}

/** Every daemon that this user may talk to, each once, with its volumes. */
export async function findDaemons(
  table: readonly MountEntry[] = readMountTable(),
): Promise<{ client: ControlClient; volumes: VolumeSummary[] }[]> {
  const daemons: { client: ControlClient; volumes: VolumeSummary[] }[] = []
  const seen = new Set<string>()
  for (const entry of table.filter((each) => each.type === fuseType)) {
    if (seen.has(entry.device)) continue
    const found = await daemonOf(entry).catch(ignoreOthers)
    if (found === undefined) continue
    const { client, volumes } = found
    for (const { device } of volumes) if (device !== null) seen.add(device)
    daemons.push({ client, volumes })
  }
  return daemons
}

/** The daemon that serves a mount, and its volumes; undefined if there is none and will be none. */
async function daemonOf(
  entry: MountEntry,
): Promise<{ client: ControlClient; volumes: VolumeSummary[] } | undefined> {
  for (let attempt = 1; ; attempt++) {
    const client = await connectPatiently(entry)
    if (client === undefined) return undefined
    try {
      return { client, volumes: await client.request<'volumes'>({ command: 'volumes' }) }
    } catch (error) {
      client.close()
      // It has just died: a successor can be asked the same.
      if (!(error instanceof DaemonGone) || attempt === attemptsMax) throw error
    }
  }
}

/** The daemon that serves a mount. If it has just died a successor is waited for; undefined if there will be none. */
async function connectPatiently(entry: MountEntry): Promise<ControlClient | undefined> {
  const end = Date.now() + takeoverMsMax
  for (;;) {
    const client = await connectToMount(entry)
    // One that has ended in good order leaves no socket, and a mount that is just being made has none yet.
    if (client !== undefined || Date.now() >= end || !hasSocket(entry)) return client
    if (await isStale(entry)) return undefined
    await sleep(50)
  }
}

/** The volume around a path that is not mounted. */
export function findUnmounted(path: string): FoundVolume | undefined {
  for (let at = path; ; at = dirname(at)) {
    const marker = readMarkerAt(at)
    if (marker !== undefined) {
      return {
        state: 'unmounted',
        origin: at,
        store: storeOfMarker(at, marker),
        id: marker.volumeId,
      }
    }
    if (at === '/') return undefined
  }
}

async function findByPath(path: string, table: readonly MountEntry[]): Promise<FoundVolume> {
  const entry = mountFor(path, table)
  if (entry !== undefined) {
    const mounted = await findByMount(entry)
    return mounted.state === 'mounted' ? { ...mounted, path } : mounted
  }
  const found = findUnmounted(path)
  if (found !== undefined) return found
  const advice = 'name one (`bygone list`), or make one with `bygone mount`'
  throw new Failure('missing', `${path} is in no volume: ${advice}`)
}

/** The origin of the volume whose origin or mount point is just this path. */
function volumeRootAt(path: string, table: readonly MountEntry[]): string | undefined {
  const isRoot = (entry: MountEntry) => entry.mountPoint === path || entry.source === path
  const mounted = table.findLast((entry) => entry.type === fuseType && isRoot(entry))
  if (mounted !== undefined) return mounted.source
  return readMarkerAt(path) === undefined ? undefined : path
}

/**
 * By a name alone. `root`: the origin of the volume that the same word stands for as a path; it decides
 * between volumes of that name, but if it has another name nobody can know which one was meant.
 */
async function findByName(
  name: string,
  root: string | undefined,
  table: readonly MountEntry[],
): Promise<FoundVolume | undefined> {
  const daemons = await findDaemons(table)
  const named = daemons.flatMap(({ client, volumes }) =>
    volumes.filter((each) => each.name === name).map((summary) => ({ client, summary })),
  )
  const mounted = named.filter(({ summary }) => summary.mountPoint !== null)
  const origins = new Set(
    (mounted.length > 0 ? mounted : named).map(({ summary }) => summary.origin),
  )
  if (root !== undefined && origins.size > 0) {
    if (origins.has(root)) origins.clear()
    origins.add(root)
  }
  const chosen = named.find(({ summary }) => origins.has(summary.origin))
  for (const { client } of daemons) if (client !== chosen?.client) client.close()
  if (origins.size > 1) {
    chosen?.client.close()
    const paths = [...origins].sort().join(' and ')
    throw new Failure('usage', `'${name}' could be ${paths}: give the path of one`)
  }
  return chosen === undefined ? undefined : stateOf(chosen.client, chosen.summary)
}

async function findByMount(entry: MountEntry): Promise<FoundVolume> {
  const found = await daemonOf(entry)
  if (found === undefined) return { state: 'stale', entry }
  const { client, volumes } = found
  const summary = volumes.find((each) => each.device === entry.device)
  if (summary === undefined) {
    client.close()
    throw new Failure('failed', `${entry.mountPoint} has just been unmounted: try again`)
  }
  return { state: 'mounted', client, summary }
}

/** A volume that a daemon knows since it serves another one of the same store is as good as one it does not. */
function stateOf(client: ControlClient, summary: VolumeSummary): FoundVolume {
  if (summary.mountPoint !== null) return { state: 'mounted', client, summary }
  client.close()
  const { origin, store, id } = summary
  return { state: 'unmounted', origin, store, id }
}

/** The mount a path is in, or that shows the origin it is in. */
function mountFor(path: string, table: readonly MountEntry[]): MountEntry | undefined {
  const around = mountAround(table, path)
  if (around?.type === fuseType) return around
  return table.findLast(
    (entry) =>
      entry.type === fuseType && isInside(path, entry.source) && !hasOwnVolume(path, entry),
  )
}

/** A volume may have another one's origin inside: the innermost counts. */
function hasOwnVolume(path: string, outer: MountEntry): boolean {
  for (let at = path; at !== outer.source && at !== '/'; at = dirname(at)) {
    if (existsSync(join(at, markerFile))) return true
  }
  return false
}

/** Told by the table alone: a mount whose origin does not answer would not answer either. */
function isMountPoint(path: string, table: readonly MountEntry[]): boolean {
  return mountAt(table, resolve(path))?.type === fuseType
}

async function placeOf(text: string | undefined, table: readonly MountEntry[]): Promise<string> {
  try {
    // The kernel's own answer, free of links.
    if (text === undefined) return process.cwd()
    return isMountPoint(text, table) ? resolve(text) : await realpath(text)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') {
      const place = text === undefined ? 'the working directory' : resolve(text)
      throw new Failure(
        'missing',
        `${place} does not exist: give a volume's name, origin or mount point`,
      )
    }
    // A mount whose daemon is gone answers so; its path is in the mount table all the same.
    if (code === 'ENOTCONN' && text !== undefined) return resolve(text)
    throw failureOf(error, `can't reach ${text ?? 'the working directory'}`)
  }
}

/** Volumes of other users are none of ours, nor those of a daemon that has just ended. */
function ignoreOthers(error: unknown): undefined {
  if (error instanceof Failure) return undefined
  throw error
}
