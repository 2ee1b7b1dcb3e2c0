import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { LowSync } from 'lowdb'
import { Failure } from '../base/failure.js'
import { isKept } from '../base/rules.js'
import { checkedCatalog } from './catalog-check.js'
import { catalogFormat, catalogVersion, type CatalogData } from './catalog-data.js'
import { CatalogText } from './catalog-text.js'
import type { Disk } from './disk.js'
import { codeOf, makePrivateDirectory, temporarySuffix } from './durable-file.js'
import { DurableJsonFile } from './durable-json-file.js'
import { FieldError } from './field-check.js'

export const catalogFile = 'catalog.json'
/** What may lie in a new store's directory: a daemon's own, and what ext4 makes in its root. */
const filesBefore = new Set(['lock', 'daemon.log', 'lost+found'])

/**
 * The checked catalog of a store; `create`: of a new one, in a missing or empty directory, if it is
 * none yet.
 */
export function openCatalogFile(
  disk: Disk,
  storeDirectory: string,
  create: boolean,
): LowSync<CatalogData> {
  const adapter = new DurableJsonFile<CatalogData>(
    disk,
    storeDirectory,
    catalogFile,
    new CatalogText().of,
  )
  const found = readChecked(adapter, join(storeDirectory, catalogFile))
  const file = new LowSync<CatalogData>(adapter, found ?? newCatalog())
  if (found === undefined) {
    if (!create) throw new Failure('missing', `${storeDirectory} is no store: no ${catalogFile}`)
    makeStoreDirectory(disk, storeDirectory)
    file.write()
  } else if (create && isKept('catalog.named')) {
    // A killed process may have left it with its name not on the disk yet: then a snapshot that is
    // in it could vanish, and its label be given once more.
    disk.syncDirectory(storeDirectory)
  }
  if (create) makePrivate(disk, storeDirectory)
  return file
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
function readChecked(adapter: DurableJsonFile<CatalogData>, path: string): CatalogData | undefined {
  const advice =
    'restore it from a copy, or remove the store to begin anew; live files are not affected'
  let data: unknown
  try {
    data = adapter.read()
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw new Failure('damaged', `damaged catalog: ${path} is not JSON; ${advice}`)
  }
  if (data === null) return undefined
  const { format, version } = data as { format?: unknown; version?: unknown }
  if (format === catalogFormat && typeof version === 'number' && version > catalogVersion) {
    throw new Failure(
      'failed',
      `${path} has version ${version}, this bygone knows up to ${catalogVersion}: use a newer bygone`,
    )
  }
  if (format === catalogFormat && typeof version === 'number' && version < catalogVersion) {
    throw new Failure(
      'failed',
      `${path} has version ${version} of an older bygone, this one knows ${catalogVersion}: ` +
        'use the older one, or remove the store to begin anew; live files are not affected',
    )
  }
  try {
    return checkedCatalog(data)
  } catch (error) {
    if (!(error instanceof FieldError)) throw error
    throw new Failure('damaged', `damaged catalog: ${path}: ${error.message}; ${advice}`)
  }
}

function makeStoreDirectory(disk: Disk, path: string): void {
  try {
    const names = disk
      .list(path)
      .filter((name) => !filesBefore.has(name) && !name.endsWith(temporarySuffix))
    if (names.includes('volumes')) {
      throw new Failure('damaged', `damaged store: ${path} has volumes but no ${catalogFile}`)
    }
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
