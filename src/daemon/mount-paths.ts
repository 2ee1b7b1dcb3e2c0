import { existsSync } from 'node:fs'
import { readdir, realpath, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { Failure } from '../base/failure.js'
import { codeOf } from '../store/durable-file.js'
import { failureOf } from './failure-of.js'
import type { MountOrder } from './mount-order.js'
import { fuseType, isInside, mountAround, mountAt, readMountTable } from './mount-table.js'
import type { MountEntry } from './mount-table.js'
import { defaultStore, ownDirectory, readMarkerAt, storeOfMarker } from './origin-marker.js'

export type MountPaths = Pick<MountOrder, 'origin' | 'mountPoint' | 'store'>

/** The directories of a mount as the user named them; missing ones are what the design says they are by default. */
export interface MountArguments {
  origin: string
  mountPoint: string | undefined
  store: string | undefined
}

/** Makes the paths absolute and free of links, and refuses what can't be mounted. Changes nothing. */
export async function resolveMountPaths(args: MountArguments): Promise<MountPaths> {
  const origin = await directoryAt(args.origin, 'the origin')
  const mountPoint =
    args.mountPoint === undefined ? origin : await directoryAt(args.mountPoint, 'the mount point')
  // Before anything in the origin is looked at: under a mount its marker is hidden.
  refuseMounted({ origin, mountPoint }, readMountTable())
  const store = await storeFor(origin, args.store)
  const paths = { origin, mountPoint, store }
  await checkMountPaths(paths)
  return paths
}

/** What must hold when the mount is made: asked by the client for a quick answer and by the daemon again. */
export async function checkMountPaths(paths: MountPaths): Promise<void> {
  const { origin, mountPoint } = paths
  refuseMounted(paths, readMountTable())
  refuseOverlap(paths)
  for (const [path, what] of [
    [origin, 'the origin'],
    [mountPoint, 'the mount point'],
  ] as const) {
    const around = storeAround(path)
    if (around !== undefined) {
      throw new Failure(
        'usage',
        `${what} lies inside the store ${around}: choose another directory`,
      )
    }
  }
  if (mountPoint !== origin && (await readdir(mountPoint)).length > 0) {
    const advice = 'choose an empty directory, or none to mount over the origin itself'
    throw new Failure('exists', `the mount point ${mountPoint} is not empty: ${advice}`)
  }
}

/** No two mounts of an origin, no two on a mount point, none of what a mount shows. */
function refuseMounted(
  { origin, mountPoint }: Pick<MountPaths, 'origin' | 'mountPoint'>,
  table: readonly MountEntry[],
): void {
  const ours = table.filter((entry) => entry.type === fuseType)
  const mounted =
    ours.find((entry) => entry.source === origin) ??
    [mountAt(table, origin), mountAt(table, mountPoint)].find((entry) => entry?.type === fuseType)
  if (mounted !== undefined) {
    const what = mounted.source === origin ? origin : `another volume, ${mounted.source},`
    const where = mounted.mountPoint === origin ? '' : ` on ${mounted.mountPoint}`
    const advice = `\`bygone unmount ${mounted.mountPoint}\` ends that`
    throw new Failure('exists', `${what} is mounted already${where}: ${advice}`)
  }
  for (const path of [origin, mountPoint]) {
    const around = mountAround(table, path)
    if (around?.type === fuseType) {
      const advice = 'choose a directory outside of it'
      throw new Failure(
        'usage',
        `${path} lies in the mount of a volume, ${around.mountPoint}: ${advice}`,
      )
    }
  }
}

function refuseOverlap({ origin, mountPoint, store }: MountPaths): void {
  if (origin === '/') {
    throw new Failure('usage', 'the root directory can be no origin: its mount would lie inside it')
  }
  if (isInside(origin, store)) {
    throw new Failure('usage', `the origin lies inside the store ${store}: choose another --store`)
  }
  if (isInside(store, origin) && store !== join(origin, defaultStore)) {
    const advice = `choose a --store outside, or none for ${join(origin, defaultStore)}`
    throw new Failure('usage', `the store ${store} lies inside the origin: ${advice}`)
  }
  if (mountPoint === origin) return
  if (isInside(mountPoint, store)) {
    const advice = 'choose a directory outside of it'
    throw new Failure(
      'usage',
      `the mount point ${mountPoint} lies inside the volume's store: ${advice}`,
    )
  }
  if (isInside(mountPoint, origin)) {
    const advice = 'choose a directory outside of it, or none to mount over the origin itself'
    throw new Failure('usage', `the mount point ${mountPoint} lies inside the origin: ${advice}`)
  }
  if (isInside(origin, mountPoint)) {
    const advice = 'the mount would hide it; choose an empty directory elsewhere'
    throw new Failure('usage', `the origin lies inside the mount point ${mountPoint}: ${advice}`)
  }
  if (isInside(store, mountPoint)) {
    const advice = 'the mount would hide it; choose an empty directory elsewhere'
    throw new Failure('usage', `the store lies inside the mount point ${mountPoint}: ${advice}`)
  }
}

/** Where the origin's past is kept: what its marker says, else what was asked for. */
async function storeFor(origin: string, asked: string | undefined): Promise<string> {
  const marker = readMarkerAt(origin)
  if (marker === undefined) {
    return asked === undefined ? join(origin, defaultStore) : await placeAt(asked)
  }
  const known = storeOfMarker(origin, marker)
  if (!existsSync(known)) {
    const advice = `bring it back, or remove ${join(origin, ownDirectory)} to begin without the past`
    throw new Failure('missing', `the store of this volume is gone, ${known}: ${advice}`)
  }
  const store = await directoryAt(known, 'the store')
  if (asked !== undefined && (await placeAt(asked)) !== store) {
    throw new Failure('exists', `the past of ${origin} is kept in ${store}: leave --store out`)
  }
  return store
}

/** A directory that may have to be made; its parent must be there. */
async function placeAt(path: string): Promise<string> {
  const place = resolve(path)
  if (existsSync(place)) return directoryAt(place, 'the store')
  return join(await directoryAt(dirname(place), 'the parent of the store'), basename(place))
}

async function directoryAt(path: string, what: string): Promise<string> {
  const place = resolve(path)
  try {
    const real = await realpath(place)
    if ((await stat(real)).isDirectory()) return real
  } catch (error) {
    throw pathFailure(error, place, what)
  }
  throw new Failure('usage', `${what} ${place} is not a directory: give a directory`)
}

function pathFailure(error: unknown, path: string, what: string): Failure {
  switch (codeOf(error) ?? '') {
    case 'ENOENT':
      return new Failure('missing', `${what} ${path} does not exist: make it, or correct the path`)
    case 'ENOTDIR':
      return new Failure('usage', `${what} ${path} is not a directory: give a directory`)
    case 'EACCES':
      return new Failure('failed', `no permission to reach ${what} ${path}: try as its owner`)
    case 'ENOTCONN':
      return new Failure(
        'failed',
        `${what} ${path} is a mount whose daemon is gone: unmount it first`,
      )
    default:
      return failureOf(error, `can't reach ${what} ${path}`)
  }
}

/** The store that a path is in, if any: a directory with a catalog, or any volume's own directory. */
function storeAround(path: string): string | undefined {
  for (let at = path; at !== '/'; at = dirname(at)) {
    if (existsSync(join(at, 'catalog.json')) && existsSync(join(at, 'volumes'))) return at
    if (basename(at) === ownDirectory && existsSync(join(at, 'volume.json'))) return at
  }
  return undefined
}
