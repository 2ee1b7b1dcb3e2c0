import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { checked } from '../base/errno.js'
import { Failure } from '../base/failure.js'
import type { Native } from '../base/native.js'
import { O } from '../base/open-flags.js'
import { Catalog, catalogFile } from '../store/catalog.js'
import { treeProblem } from '../store/check/catalog-tree.js'
import type { StoreFinding } from '../store/check/finding.js'
import { StoreCheck } from '../store/check/store-check.js'
import type { Disk } from '../store/disk.js'
import { FileLock } from '../store/file-lock.js'
import type { VolumeRecord } from '../store/catalog-data.js'
import { Pairing } from '../store/pairing.js'
import { realDisk } from '../store/real-disk.js'
import { readVolumeMarker } from '../store/volume-marker.js'
import { bootIdOfMachine } from '../store/volume-store.js'
import { checkTree } from '../volume/check/tree-check.js'
import type { CheckCounts, CheckOutcome, CheckSink } from './check-report.js'
import { isMarkerOf } from './origin-directory.js'
import { ownDirectory } from './origin-marker.js'
import { refuseOthers } from './store-directory.js'
import { StoreLock } from './store-lock.js'
import { repairVolume } from './volume-repair.js'

/** Where the check builds what it compares with; removed when it is through. */
const scratchName = 'check.tmp'

export interface CheckOptions {
  readonly data: boolean
  readonly repair: boolean
  /** For tests: what a repair works on. */
  readonly disk?: Disk
}

export interface VolumePlace {
  readonly id: string
  readonly origin: string
  readonly store: string
}

/**
 * Checks a volume that is not mounted, under its lock; changes nothing unless it is to be repaired first. Throws Failure if it could not be
 * checked at all.
 */
export function checkVolume(
  native: Native,
  place: VolumePlace,
  options: CheckOptions,
  sink: CheckSink,
): CheckOutcome {
  const directory = join(place.store, 'volumes', place.id)
  if (!existsSync(directory)) {
    const advice = 'bring the store back, or remove .bygone in the origin to begin without the past'
    throw new Failure('damaged', `${place.origin} has lost its past, ${directory}: ${advice}`)
  }
  if (options.repair) {
    refuseOthers(place.store, place.store, 'repair it as that user')
    restoreCatalog(native, place.store, sink)
    const record = knownVolume(place)
    underLock(place, directory, (scratch, lock) => {
      const { origin } = place
      const { disk = realDisk } = options
      repairVolume({ native, disk, origin, directory, scratch, record, lock, sink })
    })
  }
  return underLock(place, directory, (scratch) =>
    new VolumeCheckRun(native, place, directory, scratch, options.data, sink).run(),
  )
}

function underLock<T>(
  { origin }: VolumePlace,
  directory: string,
  work: (scratch: string, lock: FileLock) => T,
): T {
  const lock = FileLock.acquire(realDisk, join(directory, 'lock'), `the volume ${origin}`)
  const scratch = join(directory, scratchName)
  try {
    rmSync(scratch, { recursive: true, force: true })
    return work(scratch, lock)
  } finally {
    rmSync(scratch, { recursive: true, force: true })
    lock.release()
  }
}

/** From its copy, if it is damaged and nobody has it in his hands. */
function restoreCatalog(native: Native, store: string, sink: CheckSink): void {
  if (isCatalogSound(store)) return
  const lock = StoreLock.take(native, store, store)
  try {
    const count = Catalog.restore(store)
    if (count === undefined) return
    const lacking = 'those of the last seconds before a power failure may be missing'
    sink.repaired(`the catalog was restored from its copy, with ${count} snapshots; ${lacking}`)
  } finally {
    lock.release()
  }
}

function isCatalogSound(store: string): boolean {
  try {
    Catalog.open(store, { create: false })
    return true
  } catch (error) {
    if (error instanceof Failure && ['damaged', 'missing'].includes(error.kind)) return false
    throw error
  }
}

/** Without the catalog nobody knows which snapshots there are, and a wrong one is worse than none. */
function knownVolume({ store, id }: VolumePlace): VolumeRecord {
  const record = Catalog.open(store, { create: false }).volumeById(id)
  if (record !== undefined) return record
  throw new Failure(
    'damaged',
    `the catalog of ${store} does not know this volume: restore it from a copy`,
  )
}

class VolumeCheckRun {
  readonly #native: Native
  readonly #place: VolumePlace
  readonly #directory: string
  readonly #scratch: string
  readonly #withData: boolean
  readonly #sink: CheckSink

  constructor(
    native: Native,
    place: VolumePlace,
    directory: string,
    scratch: string,
    withData: boolean,
    sink: CheckSink,
  ) {
    this.#native = native
    this.#place = place
    this.#directory = directory
    this.#scratch = scratch
    this.#withData = withData
    this.#sink = sink
  }

  run(): CheckOutcome {
    const sink = this.#sink
    const early: StoreFinding[] = []
    const catalog = this.#openCatalog(early)
    const record = catalog?.volumeById(this.#place.id)
    const { id, origin, store: storePath } = this.#place
    sink.begin({
      id,
      origin,
      store: storePath,
      name: record?.name ?? null,
      mounted: false,
      data: this.#withData,
    })
    for (const finding of early) sink.finding(finding)
    if (catalog !== undefined && record === undefined) {
      this.#find('catalog', catalogFile, 'the catalog does not know this volume')
    }
    this.#checkMarker(catalog)
    this.#checkPairing()
    this.#checkStrangers(catalog)
    const snapshots = record?.snapshots ?? []
    const labelLast = record?.labelLast ?? 0
    const problem = treeProblem(snapshots, labelLast)
    if (problem !== undefined) this.#find('catalog', catalogFile, problem)

    const store = new StoreCheck({
      disk: realDisk,
      directory: this.#directory,
      scratchDirectory: this.#scratch,
      bootId: bootIdOfMachine(realDisk),
      withData: this.#withData,
      snapshots,
      labelLast: record === undefined ? undefined : labelLast,
      onFinding: sink.finding.bind(sink),
      onProgress: sink.progress.bind(sink),
    })
    try {
      const counts: CheckCounts = {
        snapshots: snapshots.length,
        files: 0,
        records: store.journal.records,
        journalBytes: store.journal.bytes,
        retiredFiles: 0,
        retiredUnneeded: 0,
        unreachableElements: 0,
      }
      if (record === undefined) {
        store.judgeSuspects(() => true)
        return { counts, unchecked: ['the files: without the catalog nobody knows the snapshots'] }
      }
      const unchecked: string[] = []
      if (store.gaps === undefined) {
        unchecked.push('what was changed in the origin while it was not mounted')
      }
      const tree = checkTree({
        native: this.#native,
        originFd: this.#openOrigin(),
        elements: store.elements,
        index: store.index,
        places: store.places,
        gaps: [
          ...(store.gaps ?? []),
          ...store.lostTimes().map(({ start, end, labelLast: label }) => ({ start, end, label })),
        ],
        snapshots,
        chunkBytes: record.chunkBytes,
        watched: store.suspects,
        onFinding: sink.finding.bind(sink),
        onProblem: sink.problem.bind(sink),
        onProgress: sink.progress.bind(sink),
      })
      store.judgeSuspects(tree.isSeen)
      return { counts: { ...counts, ...tree.counts }, unchecked }
    } finally {
      store.close()
    }
  }

  #openCatalog(findings: StoreFinding[]): Catalog | undefined {
    try {
      return Catalog.open(this.#place.store, { create: false })
    } catch (error) {
      const isFound = error instanceof Failure && ['damaged', 'missing'].includes(error.kind)
      if (!isFound) throw error
      const text = error.kind === 'missing' ? 'the catalog is missing' : error.message
      findings.push({ severity: 'damage', kind: 'catalog', file: catalogFile, text })
      return undefined
    }
  }

  #checkMarker(catalog: Catalog | undefined): void {
    const fd = this.#openOrigin()
    try {
      const marker = readVolumeMarker(fd)
      const file = '.bygone/volume.json'
      if (marker === undefined) return
      if (catalog !== undefined && marker.storeId !== catalog.storeId) {
        this.#find('marker', file, 'the origin belongs to another store')
      }
      if (!isMarkerOf(this.#native, fd, marker)) {
        this.#find('marker', file, 'the origin is a copy of the one that the store knows')
      }
    } finally {
      this.#native.close(fd)
    }
  }

  /** Whether origin and store are of one time. */
  #checkPairing(): void {
    try {
      Pairing.open(realDisk, this.#directory, join(this.#place.origin, ownDirectory))
    } catch (error) {
      if (!(error instanceof Failure) || error.kind !== 'damaged') throw error
      this.#find('pairing', join('volumes', this.#place.id, 'pairing.json'), error.message)
    }
  }

  /** Parts of the store that the catalog does not speak of. */
  #checkStrangers(catalog: Catalog | undefined): void {
    if (catalog === undefined) return
    for (const name of readdirSync(join(this.#place.store, 'volumes'))) {
      if (catalog.volumeById(name) !== undefined || name === this.#place.id) continue
      this.#find('unknown-file', join('volumes', name), 'nothing that the catalog knows', 'note')
    }
  }

  #openOrigin(): number {
    const { origin } = this.#place
    return checked(this.#native.openPath(origin, O.PATH | O.DIRECTORY, 0), `open ${origin}`)
  }

  #find(
    kind: StoreFinding['kind'],
    file: string,
    text: string,
    severity: StoreFinding['severity'] = 'damage',
  ): void {
    this.#sink.finding({ severity, kind, file, text })
  }
}
