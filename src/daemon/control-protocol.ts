import { Failure } from '../base/failure.js'
import type { FailureKind } from '../base/failure.js'
import type { RetentionPolicy } from '../version/retention-policy.js'
import { parsePolicy } from './policy-edit.js'
import { parseMountOrder } from './mount-order.js'
import type { MountOrder } from './mount-order.js'
import { parseScheduleRule } from './schedule-edit.js'
import type { ScheduleRule } from './schedule-edit.js'
import type { ScheduleReport } from './schedule-report.js'
import type { SnapshotChange, SnapshotEdit } from './snapshot-edit.js'
import { tagActions } from './snapshot-edit.js'
import type { Share } from './snapshot-shares.js'
import type { SpaceReports } from './space-watch.js'

/**
 * What goes over the control socket: one JSON object a line, a request and its reply by turns.
 *
 * The daemon is asked by whoever may open the socket, so every request is checked when it enters.
 */
export type ControlRequest =
  | { command: 'mount'; order: MountOrder }
  | { command: 'unmount'; volume: string; force: boolean }
  | { command: 'snapshot'; volumes: string[]; memo: string; tags: string[] }
  | ({ command: 'edit'; volume: string } & SnapshotEdit)
  | { command: 'set-policy'; volume: string; policy: RetentionPolicy | null }
  | { command: 'policy'; volume: string }
  | { command: 'add-schedule'; volume: string; rule: ScheduleRule; replace: boolean }
  | { command: 'remove-schedules'; volume: string; names: string[] }
  | { command: 'schedules'; volume: string }
  | { command: 'delete'; volume: string; names: string[]; force: boolean }
  /** Nothing is left of what other snapshots than these (their labels, ascending) needed: of a volume that is not mounted. */
  | { command: 'swept'; volume: string; labels: number[] }
  | { command: 'sweep'; volume: string }
  | { command: 'freed'; volume: string; names: string[] }
  | { command: 'shares'; volume: string }
  | { command: 'reload' }
  | { command: 'volumes' }
  | { command: 'snapshots'; volume: string }
  | { command: 'status'; volume: string }
  | { command: 'metrics' }

export interface ControlResults {
  mount: MountedReport
  unmount: null
  snapshot: { names: string[] }
  edit: null
  'set-policy': null
  policy: RetentionPolicy | null
  'add-schedule': null
  'remove-schedules': null
  schedules: ScheduleReport[]
  delete: null
  swept: null
  sweep: SweepReport
  freed: { bytes: number }
  shares: SharesReport
  /** The daemon that is about to be replaced. */
  reload: { pid: number }
  volumes: VolumeSummary[]
  snapshots: SnapshotSummary[]
  status: VolumeStatus
  /** Prometheus' text, of all volumes that are mounted. */
  metrics: string
}

export type ControlReply =
  { ok: true; result: unknown } | { ok: false; kind: FailureKind; message: string }

/** Volumes are named by their id in requests: a client has found it by `volumes`. */
export interface VolumeSummary {
  id: string
  name: string
  origin: string
  store: string
  mountPoint: string | null
  /** `major:minor` of the mount. */
  device: string | null
  snapshots: number
  newest: string | null
}

export interface SnapshotSummary {
  name: string
  /** ISO 8601, UTC; and in seconds since 1970. */
  time: string
  timeSec: number
  /** When it was really cut, in milliseconds since 1970. */
  cutAtMs: number
  /** Its name below `.snapshots/`. */
  plainName: string
  memo: string
  tags: string[]
  isHeld: boolean
}

export interface VolumeStatus extends VolumeSummary {
  state: 'mounted' | 'unmounted'
  chunkBytes: number
  /** What the volume's part of the store takes on its disk. */
  storeBytes: number
  /** Of the disks of the store and the origin; one that does not answer is left out. */
  space: SpaceReports
  /** What the user should do something about, a line each. */
  warnings: string[]
  schedules: ScheduleReport[]
  oldest: string | null
  /** How many snapshots are held. */
  held: number
  /** Something is left of deleted snapshots. */
  isUnswept: boolean
  /** The rest is known of mounted volumes only. */
  pid?: number
  supervisor?: SupervisorStatus
  transport?: string
  durability?: string
  mountedAt?: string
  /** What the kernel and the transport agreed on, and what the transport can't do. */
  negotiated?: Record<string, unknown>
  recovery?: Record<string, unknown>
  gauges?: Record<string, number>
  /** In the live tree, since the newest snapshot; null: nobody knows. */
  changesSinceSnapshot?: number | null
  log?: string
  /** Snapshots taken since it was mounted, and how long that took in all. */
  cuts?: { count: number; seconds: number }
  daemon?: DaemonStatus
}

/** Of the process that serves the store. */
export interface DaemonStatus {
  pid: number
  residentBytes: number
  startedMs: number
  /** Commands that it could not carry out, by kind. */
  failures: Partial<Record<FailureKind, number>>
}

/** A sweep is asked for, piece by piece, until the end. */
export interface SweepReport {
  isEnd: boolean
  /** Of this pass. */
  elementsFreed: number
  bytesFreed: number
  filesRemoved: number
  /** Elements looked at, and how many there are in the index about now. */
  visited: number
}

/** Asked for again, until the end, by who wants to know all. */
export interface SharesReport {
  /** Nothing is being counted any more. */
  isEnd: boolean
  snapshots: ({ name: string } & Share)[]
}

/** Who replaces a daemon that dies. */
export interface SupervisorStatus {
  /** null: nobody does. */
  pid: number | null
  /** How often it was done, when last (ISO 8601, UTC), and how the daemon before ended. */
  takeovers: number
  last: string | null
  why: string | null
}

export interface MountedReport {
  volume: string
  name: string
  mountPoint: string
  /** What the user should know although the mount succeeded, a line each. */
  notes: string[]
}

/** The names of 30,000 snapshots fit. */
export const messageBytesMax = 1024 * 1024

/** The request in a line, or a Failure of the kind usage. */
export function parseRequest(line: string): ControlRequest {
  const message = parseObject(line)
  const command = message['command']
  switch (command) {
    case 'mount':
      return { command, order: parseMountOrder(message['order']) }
    case 'unmount':
      return { command, volume: text(message, 'volume'), force: message['force'] === true }
    case 'snapshot':
      return {
        command,
        volumes: texts(message, 'volumes'),
        memo: text(message, 'memo'),
        tags: texts(message, 'tags'),
      }
    case 'delete':
      return {
        command,
        volume: text(message, 'volume'),
        names: texts(message, 'names'),
        force: message['force'] === true,
      }
    case 'freed':
      return { command, volume: text(message, 'volume'), names: texts(message, 'names') }
    case 'swept':
      return { command, volume: text(message, 'volume'), labels: numbers(message, 'labels') }
    case 'sweep':
    case 'shares':
      return { command, volume: text(message, 'volume') }
    case 'reload':
    case 'volumes':
    case 'metrics':
      return { command }
    case 'edit':
      return {
        command,
        volume: text(message, 'volume'),
        snapshots: texts(message, 'snapshots'),
        change: parseChange(message['change']),
      }
    case 'set-policy':
      return { command, volume: text(message, 'volume'), policy: parsePolicy(message['policy']) }
    case 'add-schedule':
      return {
        command,
        volume: text(message, 'volume'),
        rule: parseScheduleRule(message['rule']),
        replace: message['replace'] === true,
      }
    case 'remove-schedules':
      return { command, volume: text(message, 'volume'), names: texts(message, 'names') }
    case 'policy':
    case 'schedules':
    case 'snapshots':
    case 'status':
      return { command, volume: text(message, 'volume') }
    default:
      throw new Failure('usage', 'the daemon does not know this command: is it an older version?')
  }
}

export function parseReply(line: string): ControlReply {
  const message = parseObject(line)
  if (message['ok'] === true) return { ok: true, result: message['result'] }
  return {
    ok: false,
    kind: message['kind'] as FailureKind,
    message: String(message['message']),
  }
}

/** Failures pass as they are; anything else thrown is a bug of the daemon, which its log shows. */
export function replyOf(error: unknown): ControlReply {
  if (error instanceof Failure) return { ok: false, kind: error.kind, message: error.message }
  const message = error instanceof Error ? error.message : String(error)
  return { ok: false, kind: 'failed', message: `internal error: ${message}` }
}

function parseObject(line: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    throw new Failure('usage', 'a control message is one JSON object a line')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Failure('usage', 'a control message is one JSON object a line')
  }
  return value as Record<string, unknown>
}

function parseChange(value: unknown): SnapshotChange {
  if (typeof value !== 'object' || value === null) throw new Failure('usage', 'no change is given')
  const change = value as Record<string, unknown>
  const kind = change['kind']
  if (kind === 'memo') return { kind, memo: text(change, 'memo') }
  if (kind === 'hold' || kind === 'release') return { kind }
  const action = tagActions.find((each) => each === kind)
  if (action === undefined) throw new Failure('usage', 'the daemon does not know this change')
  const expect = change['expect'] === null ? null : texts(change, 'expect')
  return { kind: action, tags: texts(change, 'tags'), expect }
}

function text(message: Record<string, unknown>, field: string): string {
  const value = message[field]
  if (typeof value !== 'string') throw new Failure('usage', `${field} must be a text`)
  return value
}

function numbers(message: Record<string, unknown>, field: string): number[] {
  const value = message[field]
  if (!Array.isArray(value) || !value.every((each) => typeof each === 'number')) {
    throw new Failure('usage', `${field} must be a list of numbers`)
  }
  return value
}

function texts(message: Record<string, unknown>, field: string): string[] {
  const value = message[field]
  if (!Array.isArray(value) || !value.every((each) => typeof each === 'string')) {
    throw new Failure('usage', `${field} must be a list of texts`)
  }
  return value
}
