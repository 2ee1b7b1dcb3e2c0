import { mkdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { bytesOf } from '../base/bytes.js'
import { checked } from '../base/errno.js'
import type { Native } from '../base/native.js'
import { O } from '../base/open-flags.js'
import type { VolumeRecord } from '../store/catalog-data.js'
import { StoreCheck } from '../store/check/store-check.js'
import { StoreRepair } from '../store/check/store-repair.js'
import type { Disk } from '../store/disk.js'
import type { FileLock } from '../store/file-lock.js'
import { bootIdOfMachine } from '../store/volume-store.js'
import { lostChains } from '../volume/check/lost-chains.js'
import { RetiredCheck } from '../volume/check/retired-check.js'
import { openOrigin } from '../volume/check/tree-check.js'
import { originBorn, originNow } from '../volume/origin-clock.js'
import type { CheckSink } from './check-report.js'
import { ownDirectory, retiredDirectory } from './origin-marker.js'

export interface VolumeRepairOptions {
  readonly native: Native
  readonly disk: Disk
  readonly origin: string
  /** STORE/volumes/<id>. */
  readonly directory: string
  readonly scratch: string
  readonly record: VolumeRecord
  /** Of the volume; taken over. */
  readonly lock: FileLock
  readonly sink: CheckSink
}

/** Makes a volume's past consistent again, as far as that is provable; releases the lock. */
export function repairVolume(options: VolumeRepairOptions): void {
  const { native, disk, origin: path, directory, scratch, record, lock, sink } = options
  const bootId = bootIdOfMachine(disk)
  StoreRepair.resume(disk, directory)
  const check = new StoreCheck({
    disk,
    directory,
    scratchDirectory: scratch,
    bootId,
    withData: false,
    snapshots: record.snapshots,
    labelLast: record.labelLast,
    onFinding: () => undefined,
    onProgress: sink.progress.bind(sink),
  })
  try {
    // To build an index anew that may be wrong does no harm.
    check.judgeSuspects(() => true)
    const originFd = checked(native.openPath(path, O.PATH | O.DIRECTORY, 0), `open ${path}`)
    const origin = openOrigin(native, originFd)
    try {
      const retired = new RetiredCheck(origin, check.elements, () => undefined)
      retired.run()
      putAside(path, retired.strangers.map(bytesOf), sink)
      const repair = new StoreRepair({
        disk,
        directory,
        bootId,
        lock,
        check,
        labels: record.snapshots.map(({ label }) => label),
        strays: retired.strays,
        chains: lostChains(origin, check.elements, check.index),
        bornAt: originBorn(origin),
        now: originNow(origin),
        onDone: sink.repaired.bind(sink),
      })
      if (repair.isNeeded) repair.run()
    } finally {
      origin.close()
    }
  } finally {
    check.close()
    lock.release()
  }
}

/** What bygone has not put into the retired directory it does not remove either. */
function putAside(origin: string, names: readonly Buffer[], sink: CheckSink): void {
  if (names.length === 0) return
  const aside = join(origin, ownDirectory, 'strays')
  mkdirSync(aside, { recursive: true, mode: 0o700 })
  for (const name of names) {
    const from = Buffer.concat([Buffer.from(`${join(origin, retiredDirectory)}/`), name])
    renameSync(from, Buffer.concat([Buffer.from(`${aside}/`), name]))
  }
  sink.repaired(`${names.length} files that are not bygone's were moved to ${aside}`)
}
