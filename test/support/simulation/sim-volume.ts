import { Attributes } from '../../../src/base/attributes.js'
import type { ByteString } from '../../../src/base/bytes.js'
import { FsError } from '../../../src/base/errno.js'
import type { ChunkIndex, Label, ObjectId } from '../../../src/base/ids.js'
import { ReadPlan } from '../../../src/base/read-plan.js'
import { Catalog } from '../../../src/store/catalog.js'
import { crc32cOf } from '../../../src/store/checksum.js'
import type { Change } from '../../../src/store/change.js'
import type { ChunkPlace, Location, NameElement } from '../../../src/store/elements.js'
import type { Durability } from '../../../src/store/journal.js'
import { LiveLabels } from '../../../src/store/live-labels.js'
import { formatSnapshotName } from '../../../src/store/snapshot-name.js'
import { VolumeStore } from '../../../src/store/volume-store.js'
import type { SimDisk } from './sim-disk.js'
import { pageBytes, type Page, type SimFile } from './sim-file.js'

const storePath = '/store'
const originPath = '/origin'
const retiredPath = '/origin/.bygone/retired'
/** Of names: as the root and one directory in it. */
export const directories = [originPath, '/origin/sub'] as const
const regularType = 8
/** Few, so that a sweep has many steps. */
const sweepEntries = 10

export interface SimSetup {
  readonly durability: Durability
  readonly chunkBytes: number
  readonly segmentBytesMax: number
}

/** A file as a snapshot must show it. */
export interface FileImage {
  readonly object: number
  readonly sizeBytes: number
  readonly mode: number
  readonly pages: readonly Page[]
}

export interface Observer {
  /** Is told of each element before it is committed. */
  preserving?: (key: string) => void
  /** All that was committed is on the disk. */
  journalSynced?: () => void
}

/** By path. */
export type TreeImage = ReadonlyMap<string, FileImage>

/** Elements by what they stand for, as keys of a set. */
export const elementKey = {
  name: (path: string): string => `name ${path}`,
  attributes: (object: number): string => `attributes ${object}`,
  chunk: (object: number, chunk: number): string => `chunk ${object} ${chunk}`,
}

/**
 * An origin of plain files on a simulated disk, and its past in the real store on the same disk: catalog, sessions, journal,
 * index, recovery. It changes files as src/volume does, and preserves before.
 */
export class SimVolume {
  readonly disk: SimDisk
  readonly store: VolumeStore
  readonly catalog: Catalog
  readonly #id: string
  readonly #setup: SimSetup
  readonly #observer: Observer
  #newest: Label

  private constructor(
    disk: SimDisk,
    setup: SimSetup,
    catalog: Catalog,
    id: string,
    store: VolumeStore,
    observer: Observer,
  ) {
    this.disk = disk
    this.#setup = setup
    this.catalog = catalog
    this.#id = id
    this.store = store
    this.#observer = observer
    this.#newest = this.labels.at(-1) ?? (0 as Label)
  }

  /** Recovers what is there, or makes it. */
  static open(disk: SimDisk, setup: SimSetup, bootId: string, observer: Observer = {}): SimVolume {
    const catalog = Catalog.open(storePath, { create: true, disk })
    const volume =
      catalog.volumes()[0] ??
      catalog.addVolume({
        name: 'docs',
        origin: originPath,
        kind: 'tree',
        chunkBytes: setup.chunkBytes,
        createdAtMs: 0,
      })
    const store = VolumeStore.open({
      directory: `${storePath}/volumes/${volume.id}`,
      durability: setup.durability,
      segmentBytesMax: setup.segmentBytesMax,
      bootId,
      hasPast: volume.snapshots.length > 0,
      disk,
    })
    return new SimVolume(disk, setup, catalog, volume.id, store, observer)
  }

  /** An origin with nothing in it, on the disk. */
  static makeOrigin(disk: SimDisk): void {
    for (const path of [retiredPath, ...directories]) disk.makeDirectories(path)
    for (const path of ['/', originPath, '/origin/.bygone']) disk.syncDirectory(path)
  }

  get chunkBytes(): number {
    return this.#setup.chunkBytes
  }

  get labels(): Label[] {
    return this.catalog.volumes()[0]?.snapshots.map(({ label }) => label) ?? []
  }

  beginSession(nowSec: number): void {
    const oldest = this.labels[0] ?? 0
    this.store.sessions.begin({ sec: nowSec, nsec: 0 }, oldest, this.#newest)
  }

  close(nowSec: number): void {
    this.store.sessions.end({ sec: nowSec, nsec: 0 })
    this.store.close()
  }

  /** The live files. */
  image(): TreeImage {
    const images = new Map<string, FileImage>()
    for (const directory of directories) {
      for (const [name, object] of this.disk.namesIn(directory)) {
        const file = this.disk.fileByNumber(object)
        if (file !== undefined) images.set(`${directory}/${name}`, imageOf(file))
      }
    }
    return images
  }

  /** Takes a snapshot and returns its label. What the programs did before is on the disk then. */
  snapshot(onCut: (label: Label) => void): void {
    this.syncAll()
    const label = this.catalog.nextLabel(this.#id)
    onCut(label)
    const record = {
      label,
      timeSec: label,
      cutAtMs: label * 1000,
      memo: '',
      tags: [],
      isHeld: false,
    }
    this.catalog.addSnapshot(this.#id, { ...record, name: formatSnapshotName(label) })
    this.#newest = label
  }

  /** Deletes a snapshot, for good when it returns. */
  delete(label: Label): void {
    const name = this.catalog.volumes()[0]?.snapshots.find((record) => record.label === label)?.name
    if (name === undefined) throw new Error(`there is no snapshot ${label}`)
    this.catalog.removeSnapshots(this.#id, [name], false)
  }

  /** Frees what no snapshot needs. */
  sweep(): void {
    const sweep = this.store.sweep(new LiveLabels(this.labels))
    while (!sweep.step(sweepEntries).isEnd);
    while (!sweep.compact(sweepEntries, true));
  }

  create(path: string): void {
    const change = this.store.change()
    this.#preserveName(change, path)
    this.store.commit(change)
    this.disk.close(this.disk.open(path, 'make new'))
  }

  write(path: string, offset: number, bytes: Uint8Array): void {
    const object = this.#objectAt(path)
    this.#preserveAttributes(object)
    this.#preserveChunks(object, offset, offset + bytes.length)
    const fd = this.disk.openByNumber(object)
    this.disk.write(fd, bytes, offset)
    this.disk.close(fd)
  }

  truncate(path: string, sizeBytes: number): void {
    const object = this.#objectAt(path)
    this.#preserveAttributes(object)
    this.#preserveChunks(object, sizeBytes, Infinity)
    const fd = this.disk.openByNumber(object)
    this.disk.truncate(fd, sizeBytes)
    this.disk.close(fd)
  }

  setMode(path: string, mode: number): void {
    this.#preserveAttributes(this.#objectAt(path))
    this.disk.setMode(path, mode)
  }

  /** Replaces what is there, which is kept if there is a snapshot. */
  rename(from: string, to: string): void {
    const object = this.#objectAt(from)
    const replaced = this.disk.numberOf(to)
    const change = this.store.change()
    this.#preserveName(change, from)
    this.#preserveName(change, to)
    if (this.#newest > 0) {
      const places = [this.#place(to), this.#place(from)]
      change.addLocation(id(object), {
        isRetired: false,
        places,
        bornAfter: 0,
        writtenAt: this.#newest,
      })
      if (replaced !== undefined) addRetired(change, replaced, this.#place(to), this.#newest)
    }
    this.store.commit(change)
    if (replaced !== undefined && this.#newest > 0) {
      this.disk.rename(to, `${retiredPath}/${replaced}`)
    }
    this.disk.rename(from, to)
  }

  unlink(path: string): void {
    if (this.#newest === 0) {
      this.disk.remove(path)
      return
    }
    const object = this.#objectAt(path)
    const change = this.store.change()
    this.#preserveName(change, path)
    addRetired(change, object, this.#place(path), this.#newest)
    this.store.commit(change)
    this.disk.rename(path, `${retiredPath}/${object}`)
  }

  /** fsync(2) through the mount. */
  sync(path: string): void {
    this.#syncJournal()
    const fd = this.disk.openByNumber(this.#objectAt(path))
    this.disk.sync(fd)
    this.disk.close(fd)
  }

  /** The same for all. */
  syncAll(): void {
    this.#syncJournal()
    this.disk.syncAll(originPath)
  }

  /** What a name leads to in a snapshot; undefined: nothing. */
  objectInPast(path: string, label: Label): number | undefined {
    const { parent: directory, name } = this.#place(path)
    const element = this.store.findName(directory, name, label)
    if (element === undefined) return this.disk.numberOf(path)
    return element.object === 0 ? undefined : element.object
  }

  /** All paths that may lead to something in the snapshot. */
  pathsInPast(label: Label): Set<string> {
    const paths = new Set<string>()
    for (const directory of directories) {
      const object = id(this.#objectAt(directory))
      for (const name of this.store.listNames(object, label).keys())
        paths.add(`${directory}/${name}`)
      for (const [name, found] of this.disk.namesIn(directory)) {
        if (this.disk.fileByNumber(found) !== undefined) paths.add(`${directory}/${name}`)
      }
    }
    return paths
  }

  /** A snapshot as it is found. */
  imageInPast(label: Label): TreeImage {
    const images = new Map<string, FileImage>()
    for (const path of this.pathsInPast(label)) {
      const object = this.objectInPast(path, label)
      if (object === undefined) continue
      const { sizeBytes, mode } = this.attributesInPast(object, label)
      const pages: Page[] = []
      for (let chunk = 0; chunk * this.chunkBytes < sizeBytes; chunk++) {
        const first = (chunk * this.chunkBytes) / pageBytes
        for (const [at, page] of this.chunkInPast(object, chunk, label).pages.entries()) {
          pages[first + at] = page
        }
      }
      images.set(path, { object, sizeBytes, mode, pages })
    }
    return images
  }

  attributesInPast(object: number, label: Label): { sizeBytes: number; mode: number } {
    const preserved = this.store.findAttributes(id(object), label)?.attributes
    if (preserved !== undefined) return preserved
    const file = this.#file(object)
    return { sizeBytes: file.sizeBytes, mode: file.meta.mode }
  }

  /** The pages of a chunk in a snapshot, and whether they are the origin's own. */
  chunkInPast(
    object: number,
    chunk: number,
    label: Label,
  ): { pages: readonly Page[]; isPreserved: boolean } {
    const { chunkBytes } = this.#setup
    const place = this.store.findChunks(id(object), chunk as ChunkIndex, 1, label)[0]
    if (place !== undefined) return { pages: pagesOf(this.#read(place)), isPreserved: true }
    const first = (chunk * chunkBytes) / pageBytes
    const pages = this.#file(object).pages.slice(first, first + chunkBytes / pageBytes)
    return { pages, isPreserved: false }
  }

  #read(place: ChunkPlace): Buffer {
    const plan = new ReadPlan()
    plan.begin(0)
    this.store.addPlace(plan, place, 0, this.#setup.chunkBytes)
    const { wordsPerPiece, kindHole, kindFile } = ReadPlan
    const pieces: Buffer[] = []
    for (let piece = 0; piece < plan.pieceCount; piece++) {
      const words = plan.words.subarray(piece * wordsPerPiece, (piece + 1) * wordsPerPiece)
      const [kind = 0, length = 0, fd = 0, offset = 0, runBytes = 0, crc = 0, skip = 0] = words
      if (kind === kindHole) {
        pieces.push(Buffer.alloc(length))
        continue
      }
      if (kind === kindFile) {
        const bytes = Buffer.alloc(length)
        this.disk.read(fd, bytes, 0, length, offset)
        pieces.push(bytes)
        continue
      }
      const run = Buffer.alloc(runBytes)
      const read = this.disk.read(fd, run, 0, runBytes, offset)
      if (read < runBytes || crc32cOf(run, 0, runBytes, 0) !== crc) {
        throw new FsError('EIO', `a preserved chunk: segment ${place.segment} at ${offset}`)
      }
      pieces.push(run.subarray(skip, skip + length))
    }
    return Buffer.concat(pieces)
  }

  #preserveName(change: Change, path: string): void {
    const { parent: directory, name } = this.#place(path)
    if (this.#newest === 0 || this.store.hasName(directory, name, this.#newest)) return
    const object = this.disk.numberOf(path)
    const element: NameElement =
      object === undefined ? { object: 0, type: 0 } : { object: id(object), type: regularType }
    this.#observer.preserving?.(elementKey.name(path))
    change.addName(directory, name, this.#newest, element)
  }

  #preserveAttributes(object: number): void {
    const newest = this.#newest
    if (newest === 0 || this.store.hasAttributes(id(object), newest)) return
    const file = this.#file(object)
    const { sizeBytes, meta } = file
    const attributes = Object.assign(new Attributes(), { sizeBytes, mode: meta.mode })
    const sizeMaxBytes = Math.max(sizeBytes, this.store.sizeMaxBefore(id(object), newest))
    const change = this.store.change()
    this.#observer.preserving?.(elementKey.attributes(object))
    change.addAttributes(id(object), newest, { attributes, xattrs: [], sizeMaxBytes, bornAfter: 0 })
    this.store.commit(change)
  }

  /** The attributes are preserved. */
  #preserveChunks(object: number, from: number, to: number): void {
    const newest = this.#newest
    const preserved = this.store.findAttributes(id(object), newest)
    if (newest === 0 || preserved === undefined) return
    const { chunkBytes } = this.#setup
    const guardedChunks = Math.ceil(preserved.sizeMaxBytes / chunkBytes)
    const end = Math.min(Math.ceil(to / chunkBytes), guardedChunks)
    const fd = this.disk.openByNumber(object)
    for (let chunk = Math.floor(from / chunkBytes); chunk < end;) {
      const first = chunk
      while (chunk < end && !this.store.hasChunk(id(object), chunk as ChunkIndex, newest)) {
        this.#observer.preserving?.(elementKey.chunk(object, chunk))
        chunk++
      }
      const { sizeBytes } = preserved.attributes
      if (chunk > first) {
        const count = chunk - first
        const at = first as ChunkIndex
        this.store.preserveChunks(id(object), newest, fd, at, count, chunkBytes, sizeBytes)
      } else chunk++
    }
    this.disk.close(fd)
  }

  /** What a program waits for before its own file is synced. */
  #syncJournal(): void {
    this.disk.syncData(this.store.syncFd())
    this.#observer.journalSynced?.()
  }

  #place(path: string): Location['places'][number] {
    const slash = path.lastIndexOf('/')
    const parent = id(this.#objectAt(path.slice(0, slash)))
    return { parent, name: path.slice(slash + 1) as ByteString }
  }

  #objectAt(path: string): number {
    const object = this.disk.numberOf(path)
    if (object === undefined) throw new Error(`there is no ${path}`)
    return object
  }

  #file(object: number): SimFile {
    const file = this.disk.fileByNumber(object)
    if (file === undefined) throw new Error(`the file with number ${object} is lost`)
    return file
  }
}

function addRetired(
  change: Change,
  object: number,
  place: Location['places'][number],
  writtenAt: Label,
): void {
  change.addLocation(id(object), { isRetired: true, places: [place], bornAfter: 0, writtenAt })
}

function imageOf(file: SimFile): FileImage {
  const { ino, sizeBytes, meta, pages } = file
  return { object: ino, sizeBytes, mode: meta.mode, pages: [...pages] }
}

function id(object: number): ObjectId {
  return object as ObjectId
}

function pagesOf(bytes: Buffer): Page[] {
  const pages: Page[] = []
  for (let at = 0; at < bytes.length; at += pageBytes)
    pages.push(bytes.subarray(at, at + pageBytes))
  return pages
}
