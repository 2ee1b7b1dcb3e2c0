import { statSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { clockOfProcess } from '../base/clock.js'
import { Failure } from '../base/failure.js'
import { faultPoint } from '../base/fault-point.js'
import type { Native } from '../base/native.js'
import { Catalog } from '../store/catalog.js'
import { newSchedule } from '../version/schedule.js'
import type { ControlRequest } from './control-protocol.js'
import { DaemonGone } from './control-client.js'
import { connectToStore } from './daemon-finder.js'
import { failureOf } from './failure-of.js'
import { parsePolicy } from './policy-edit.js'
import { storeKey } from './runtime-directory.js'
import { checkTiming, parseScheduleRule } from './schedule-edit.js'
import { applyEdit } from './snapshot-edit.js'
import { StoreDirectory } from './store-directory.js'
import { StoreServed } from './store-lock.js'
import { Undo } from './undo.js'
import type { FoundVolume } from './volume-finder.js'
import { staleFailure } from './volume-finder.js'

/** What changes the catalog and nothing else, so that it needs no mount. */
export type VolumeEdit = Extract<
  ControlRequest,
  { command: 'edit' | 'set-policy' | 'add-schedule' | 'remove-schedules' | 'delete' | 'swept' }
>

/** A store changes hands in moments: a daemon that ends, or one that begins. */
const handoverMsMax = 5000

/** Has the store's daemon do it, or does it under the store's lock if there is none. */
export async function editVolume(
  native: Native,
  found: FoundVolume,
  edit: VolumeEdit,
): Promise<void> {
  switch (found.state) {
    case 'mounted':
      await found.client.request(edit)
      break
    case 'unmounted':
      await editStore(native, found.store, edit)
      break
    case 'stale':
      throw staleFailure(found.entry)
  }
}

async function editStore(native: Native, store: string, edit: VolumeEdit): Promise<void> {
  const end = Date.now() + handoverMsMax
  for (;;) {
    if (await askDaemonOf(store, edit)) return
    try {
      await editUnderLock(native, store, edit)
      return
    } catch (error) {
      if (!(error instanceof StoreServed) || Date.now() >= end) throw error
    }
    await sleep(100)
  }
}

/** False: there is none, or it ended before it could answer. */
async function askDaemonOf(store: string, edit: VolumeEdit): Promise<boolean> {
  const client = await connectToStore(storeKey(statSync(store, { bigint: true })))
  if (client === undefined) return false
  try {
    await client.request(edit)
    return true
  } catch (error) {
    if (error instanceof DaemonGone) return false
    throw error
  } finally {
    client.close()
  }
}

/** Whoever writes the catalog holds the store. */
export function applyVolumeEdit(
  catalog: Catalog,
  edit: Exclude<VolumeEdit, { command: 'edit' }>,
  nowMs: number,
): void {
  switch (edit.command) {
    case 'set-policy':
      catalog.setPolicy(edit.volume, parsePolicy(edit.policy))
      break
    case 'add-schedule': {
      const rule = parseScheduleRule(edit.rule)
      checkTiming(rule.timing, nowMs)
      catalog.addSchedule(edit.volume, newSchedule(rule, nowMs), edit.replace)
      break
    }
    case 'remove-schedules':
      catalog.removeSchedules(edit.volume, edit.names)
      break
    case 'delete':
      catalog.removeSnapshots(edit.volume, edit.names, edit.force)
      faultPoint('delete.gone')
      break
    case 'swept':
      catalog.noteSwept(edit.volume, edit.labels)
      break
  }
}

async function editUnderLock(native: Native, path: string, edit: VolumeEdit): Promise<void> {
  // A store is not made by a look at it.
  Catalog.open(path, { create: false })
  const undo = new Undo()
  try {
    // Refuses one that is another user's: what is written there would not be his any more.
    const store = StoreDirectory.open(native, path, undo)
    try {
      if (edit.command === 'edit') applyEdit(store.catalog, edit.volume, edit)
      else applyVolumeEdit(store.catalog, edit, clockOfProcess().now())
    } catch (error) {
      throw error instanceof Failure ? store.named(error) : error
    }
    if (edit.command === 'delete') {
      const { name } = store.catalog.volumeById(edit.volume) ?? { name: edit.volume }
      store.log.write(`deleted ${edit.names.join(' ')} of ${name}`)
    }
  } catch (error) {
    if (error instanceof Failure) throw error
    throw failureOf(error, `can't change the store ${path}`)
  } finally {
    await undo.run(() => undefined)
  }
}
