import type { Label } from '../base/ids.js'
import type { RetentionPolicy } from '../version/retention-policy.js'
import type { Schedule } from '../version/schedule.js'
import type { SnapshotRecord } from './snapshot-record.js'

/**
 * What STORE/catalog.json holds, drawn in FORMAT.md. A new field needs a new version: an older
 * bygone would drop it.
 */

export const catalogFormat = 'bygone-catalog'
export const catalogVersion = 4

export const chunkBytesMin = 4 << 10
export const chunkBytesMax = 4 << 20

/** A volume as the catalog keeps it. */
export interface VolumeRecord {
  /** 16 hexadecimal digits; names its directory STORE/volumes/<id>. */
  readonly id: string
  /** Unique in the store. */
  readonly name: string
  /** Absolute path of the directory; unique in the store. */
  readonly origin: string
  readonly kind: 'tree'
  readonly chunkBytes: number
  readonly createdAtMs: number
  /**
   * The newest label ever given to a snapshot, deleted ones too; 0: none yet. Labels are never used
   * again.
   */
  readonly labelLast: Label | 0
  /** The newest time that ever named a snapshot, deleted ones too: a name never comes to mean another. */
  readonly timeLastSec: number
  /** Snapshots were deleted, and what only they needed is not all freed. */
  readonly isUnswept: boolean
  /** Which snapshots may be deleted by themselves; null: none. */
  readonly policy: RetentionPolicy | null
  /** When snapshots are taken by themselves, and how that went. */
  readonly schedules: readonly Schedule[]
  /** By label and time, ascending. */
  readonly snapshots: readonly SnapshotRecord[]
}

export interface CatalogData {
  readonly format: typeof catalogFormat
  readonly version: typeof catalogVersion
  /** 16 hexadecimal digits. */
  readonly storeId: string
  readonly volumes: readonly VolumeRecord[]
}
