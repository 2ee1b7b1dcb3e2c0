import { join } from 'node:path'
import { run } from './child.mjs'
import { dropCaches } from './systems.mjs'

const operationFile = join(import.meta.dirname, 'operation.mjs')

/** Runs an operation of operation.mjs in a child; its times in seconds. */
export async function operate(name, ...args) {
  const { stdout } = await run(process.execPath, [operationFile, name, ...args.map(String)])
  return JSON.parse(stdout)
}

/**
 * The rows measured over a place: { live, root, scratch }, where root is the live tree or that of a
 * snapshot, and scratch a plain directory.
 *
 * `unit` 's': a time, lower is better; 'MB/s': a speed, higher is better. `needs: 'cold'` drops all
 * caches before each run, 'warm' runs once untimed before the first.
 */
export function rowsOf(sizes) {
  const tree = (place) => `${place.root}/tree`
  const largeFile = (place) => `${place.root}/large`
  const speed = (bytes, seconds) => bytes / seconds / 1e6

  const find = async (place) => (await run('find', [tree(place)])).seconds
  const stat = async (place) => (await run('find', [tree(place), '-printf', '%s %T@\\n'])).seconds
  const read = async (place) => {
    const [seconds] = await operate('read', largeFile(place))
    return speed(sizes.largeBytes, seconds)
  }
  const write = (piece) => async (place, bytes) => {
    const path = `${place.live}/written`
    const [seconds] = await operate('write', path, bytes, piece)
    await run('rm', [path])
    return speed(bytes, seconds)
  }

  return {
    writing: [
      {
        key: 'write',
        label: 'write, 1 MiB pieces',
        unit: 'MB/s',
        before: 'sync',
        measure: (place) => write(1 << 20)(place, sizes.largeBytes),
      },
      {
        key: 'write4k',
        label: 'write, 4 KiB pieces',
        unit: 'MB/s',
        before: 'sync',
        measure: (place) => write(4_096)(place, sizes.smallWritesBytes),
      },
    ],
    reading: [
      { key: 'find', label: 'find, cold', unit: 's', before: 'cold', measure: find },
      { key: 'find', label: 'find, warm', unit: 's', before: 'warm', measure: find },
      { key: 'stat', label: 'find with stat, cold', unit: 's', before: 'cold', measure: stat },
      { key: 'stat', label: 'find with stat, warm', unit: 's', before: 'warm', measure: stat },
      {
        key: 'cp',
        label: 'cp -a to plain, cold',
        unit: 's',
        before: 'cold',
        async measure(place) {
          const target = `${place.scratch}/copy`
          const { seconds } = await run('cp', ['-a', tree(place), target])
          await run('rm', ['-rf', target])
          return seconds
        },
      },
      { key: 'read', label: 'read, 1 MiB, cold', unit: 'MB/s', before: 'cold', measure: read },
      { key: 'read', label: 'read, 1 MiB, warm', unit: 'MB/s', before: 'warm', measure: read },
    ],
  }
}

/** Brings the caches into the state that the row asks for. Cold is possible for root only. */
export async function prepareFor(row, place, runIndex) {
  if (row.before === 'cold') await dropCaches()
  else if (row.before === 'sync') await run('sync', [])
  else if (runIndex === 0) await row.measure(place)
}

/**
 * Overwrites random 64 KiB chunks of a new file three times: with nothing to preserve, for the first
 * time since a snapshot, and again. Speeds in MB/s.
 */
export async function overwrites(system, sizes, sync) {
  const path = `${system.live}/overwritten`
  const overwrite = async () => {
    await run('sync', [])
    const [seconds] = await operate('overwrite', path, sizes.fileBytes, sizes.overwrites, sync)
    return (sizes.overwrites * 65_536) / seconds / 1e6
  }
  await operate('write', path, sizes.fileBytes, 1 << 20)
  const without = await overwrite()
  if (system.canSnapshot) await system.snapshot()
  const first = await overwrite()
  const later = await overwrite()
  await run('rm', [path])
  return { without, first, later }
}

/** Copies a tree into the live one and, after a snapshot, removes it. Seconds. */
export async function copyAndRemove(system, tree) {
  const target = `${system.live}/removed`
  await run('sync', [])
  const into = await run('cp', ['-a', tree, target])
  if (system.canSnapshot) await system.snapshot()
  await run('sync', [])
  const removal = await run('rm', ['-rf', target])
  return { into: into.seconds, removal: removal.seconds }
}

/**
 * What depends on when the journal reaches the disk, each after a snapshot: overwriting random 64 KiB chunks and
 * 4 KiB with an fsync each, making and removing files. Operations a second.
 */
export async function afterSnapshot(system, sizes) {
  const path = `${system.live}/overwritten`
  const directory = `${system.live}/made`
  const perSecond = async (count, name, ...args) => {
    if (system.canSnapshot) await system.snapshot()
    await run('sync', [])
    const [seconds] = await operate(name, ...args)
    return count / seconds
  }
  await operate('write', path, sizes.fileBytes, 1 << 20)
  await run('mkdir', [directory])
  const files = sizes.durabilityFiles
  const figures = {
    'first overwrite, 64 KiB': await perSecond(
      sizes.overwrites,
      ...['overwrite', path, sizes.fileBytes, sizes.overwrites, 'none'],
    ),
    'first overwrite, fsync each': await perSecond(
      sizes.commits,
      ...['commits', path, sizes.fileBytes, sizes.commits],
    ),
    'making files': await perSecond(files, 'make', directory, files),
    'removing files': await perSecond(files, 'remove', directory, files),
  }
  await run('rm', ['-r', path, directory])
  return figures
}
