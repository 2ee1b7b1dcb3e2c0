import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { LowSync } from 'lowdb'
import { Failure } from '../base/failure.js'
import type { Label } from '../base/ids.js'
import { isKept } from '../base/rules.js'
import { CatalogAdapter, catalogFile, snapshotsIn } from './catalog-adapter.js'
import { checkedCatalog } from './catalog-check.js'
import { catalogFormat, catalogVersion, type CatalogData } from './catalog-data.js'
import type { Disk } from './disk.js'
import { codeOf, makePrivateDirectory, temporarySuffix } from './durable-file.js'
import { FieldError } from './field-check.js'

/** What a repair leaves of one that was damaged. */
const damagedFile = 'catalog.damaged.json'
/** What may lie in a new store's directory: a daemon's own, and what ext4 makes in its root. */
const filesBefore = new Set(['lock', 'daemon.log', 'lost+found'])
/** So many labels a copy may lag behind, and many more: each was given to a snapshot that took its second. */
const labelsSkipped = 1 << 20

/**
 * The checked catalog of a store; `create`: of a new one, in a missing or empty directory, if it is
 * none yet.
 */
export function openCatalogFile(
  disk: Disk,
  storeDirectory: string,
  create: boolean,
): LowSync<CatalogData> {
  const adapter = new CatalogAdapter(disk, storeDirectory)
  const found = readChecked(adapter, join(storeDirectory, catalogFile))
  const file = new LowSync<CatalogData>(adapter, found ?? newCatalog())
  if (found === undefined) {
    if (!create && adapter.readCopy() !== undefined) throw lost(storeDirectory, true)
    if (!create) throw new Failure('missing', `${storeDirectory} is no store: no ${catalogFile}`)
    makeStoreDirectory(disk, storeDirectory, adapter)
    file.write()
  } else if (create && isKept('catalog.named')) {
    // A killed process may have left it with its name not on the disk yet: then a snapshot that is
    // in it could vanish, and its label be given once more.
    disk.syncDirectory(storeDirectory)
  }
  if (found !== undefined) adapter.noteRead(found)
  if (create) adapter.renewCopy(file.data)
  if (create) makePrivate(disk, storeDirectory)
  return file
}

/**
 * Writes a catalog that is damaged or missing anew, from its copy; returns the number of snapshots in it. Undefined:
 * nothing was wrong. The caller holds the store's lock. Throws Failure if there is no copy either.
 */
export function restoreCatalogFile(disk: Disk, storeDirectory: string): number | undefined {
  const adapter = new CatalogAdapter(disk, storeDirectory)
  const path = join(storeDirectory, catalogFile)
  try {
    if (readChecked(adapter, path) !== undefined) return undefined
  } catch (error) {
    if (!(error instanceof Failure && error.kind === 'damaged')) throw error
    if (adapter.readCopy() === undefined) throw error
  }
  const copy = adapter.readCopy()
  if (copy === undefined) throw lost(storeDirectory, false)
  if (disk.stat(path) !== undefined) disk.rename(path, join(storeDirectory, damagedFile))
  // Of snapshots that it may lack there may be traces, which must not come to mean others.
  const volumes = copy.volumes.map((volume) => ({
    ...volume,
    labelLast: (volume.labelLast + labelsSkipped) as Label,
  }))
  adapter.write({ ...copy, volumes })
  return snapshotsIn(copy)
}

function newCatalog(): CatalogData {
  return { format: catalogFormat, version: catalogVersion, storeId: newId(), volumes: [] }
}

/** 16 hexadecimal digits. */
export function newId(): string {
  return randomBytes(8).toString('hex')
}

/**
 * Undefined if there is no catalog. One that is damaged, or of a newer format, is refused and left
 * as it is.
 */
function readChecked(adapter: CatalogAdapter, path: string): CatalogData | undefined {
  const damaged = (text: string) =>
    new Failure('damaged', `damaged catalog: ${path}: ${text}; ${adviceFor(adapter)}`)
  let data: unknown
  try {
    data = adapter.read()
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    if (adapter.isUnsealed()) throw older(path, 'without a checksum')
    throw damaged(error.message)
  }
  if (data === null) return undefined
  const { format, version } = data as { format?: unknown; version?: unknown }
  if (format === catalogFormat && typeof version === 'number') {
    if (version > catalogVersion) throw newer(path, version)
    if (version < catalogVersion) throw older(path, `version ${version}`)
  }
  try {
    return checkedCatalog(data)
  } catch (error) {
    if (!(error instanceof FieldError)) throw error
    throw damaged(error.message)
  }
}

function newer(path: string, version: number): Failure {
  return new Failure(
    'failed',
    `${path} has version ${version}, this bygone knows up to ${catalogVersion}: use a newer bygone`,
  )
}

function older(path: string, what: string): Failure {
  return new Failure(
    'failed',
    `${path} is of an older bygone (${what}), this one knows version ${catalogVersion}: ` +
      'use the older one, or remove the store to begin anew; live files are not affected',
  )
}

function adviceFor(adapter: CatalogAdapter): string {
  return adapter.readCopy() === undefined
    ? 'restore it from a copy, or remove the store to begin anew; live files are not affected'
    : '`bygone check --repair ORIGIN` restores it from its copy'
}

function lost(path: string, hasCopy: boolean): Failure {
  const advice = hasCopy ? ': `bygone check --repair ORIGIN` restores it from its copy' : ''
  return new Failure('damaged', `damaged store: ${path} has volumes but no ${catalogFile}${advice}`)
}

function makeStoreDirectory(disk: Disk, path: string, adapter: CatalogAdapter): void {
  try {
    const names = disk
      .list(path)
      .filter((name) => !filesBefore.has(name) && !name.endsWith(temporarySuffix))
    const hasCopy = adapter.readCopy() !== undefined
    if (names.includes('volumes') || hasCopy) throw lost(path, hasCopy)
    if (names.length > 0) {
      throw new Failure('failed', `${path} is not empty and no store: name another directory`)
    }
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
    makePrivateDirectory(disk, path)
  }
}

function makePrivate(disk: Disk, path: string): void {
  const found = disk.stat(path)
  if (found !== undefined && (found.mode & 0o077) !== 0) disk.setMode(path, 0o700)
}
