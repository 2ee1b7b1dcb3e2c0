import { byteSizeText } from '../base/byte-size.js'
import { parseSnapshotName } from '../store/snapshot-name.js'
import type { VolumeStatus } from './control-protocol.js'

/** In the order of the exit codes that monitoring plugins have. */
export const healthLevels = ['ok', 'warning', 'critical', 'unknown'] as const
export type HealthLevel = (typeof healthLevels)[number]

export interface Finding {
  level: Exclude<HealthLevel, 'ok'>
  text: string
}

/** What a monitor is told of a volume. */
export interface Health {
  /** As the user named it, if it was not found. */
  volume: string
  level: HealthLevel
  /** What is wrong, the worst first. */
  findings: Finding[]
  /** What there is to say if nothing is. */
  summary: string
  /** Numbers, by name: seconds, bytes, or counts; those unknown are left out. */
  figures: Partial<Record<'age' | 'ageMax' | 'snapshots' | 'storeFree' | 'originFree', number>>
}

/** A snapshot may be late by half of the time between two. */
const lateFactor = 1.5

/** How the worse of two is told: what is known to be wrong comes before what is not known. */
const order: readonly HealthLevel[] = ['ok', 'unknown', 'warning', 'critical']

export function severity(level: HealthLevel): number {
  return order.indexOf(level)
}

export function worstOf(levels: readonly HealthLevel[]): HealthLevel {
  return order[Math.max(0, ...levels.map(severity))] ?? 'unknown'
}

/** What there is to say of a volume that was found. */
export function healthOf(status: VolumeStatus, nowMs: number): Health {
  const age = ageSec(status.newest, nowMs)
  const ageMax = ageMaxSec(status)
  const findings = [
    ...lateness(confirmedAgeSec(status, nowMs), ageMax),
    ...fullness(status),
    ...status.warnings.map((text): Finding => ({ level: 'warning', text })),
    ...failedRuns(status),
    ...idleness(status),
  ].sort((a, b) => severity(b.level) - severity(a.level))
  const { store, origin } = status.space
  return {
    volume: status.name,
    level: worstOf(findings.map(({ level }) => level)),
    findings,
    summary: summaryOf(status, age),
    figures: withoutUnknown({
      age,
      ageMax,
      snapshots: status.snapshots,
      storeFree: store?.bytesFree,
      originFree: origin?.bytesFree,
    }),
  }
}

/** Of one about which nothing can be said but this. */
export function unhealthy(volume: string, level: Finding['level'], text: string): Health {
  return { volume, level, findings: [{ level, text }], summary: text, figures: {} }
}

/** Of the newest snapshot; undefined: there is none. */
export function ageSec(newest: string | null, nowMs: number): number | undefined {
  const takenSec = newest === null ? undefined : parseSnapshotName(newest)
  // Snapshots that are taken faster than one a second are named ahead.
  return takenSec === undefined ? undefined : Math.max(0, Math.round(nowMs / 1000 - takenSec))
}

/** The same, but that it still is as the volume is: a run with --if-changed takes none then. */
function confirmedAgeSec({ newest, schedules }: VolumeStatus, nowMs: number): number | undefined {
  const age = ageSec(newest, nowMs)
  const runs = schedules.flatMap(({ lastGood }) => lastGood ?? [])
  const ages = runs.map((time) => Math.max(0, Math.round((nowMs - Date.parse(time)) / 1000)))
  return age === undefined ? undefined : Math.min(age, ...ages)
}

/** How old the newest snapshot may get; undefined: nobody takes any by a schedule. */
export function ageMaxSec({ schedules }: Pick<VolumeStatus, 'schedules'>): number | undefined {
  const intervals = schedules.flatMap(({ intervalSec }) => intervalSec ?? [])
  return intervals.length === 0 ? undefined : lateFactor * Math.min(...intervals)
}

/** For people: two digits or so. */
export function ageText(sec: number): string {
  for (const [unit, unitSec] of [
    ['days', 86400],
    ['h', 3600],
    ['min', 60],
  ] as const) {
    if (sec >= 2 * unitSec) return `${Math.floor(sec / unitSec)} ${unit}`
  }
  return `${Math.round(sec)} s`
}

function lateness(age: number | undefined, ageMax: number | undefined): Finding[] {
  // Without any, a schedule has yet to begin.
  if (age === undefined || ageMax === undefined || age <= ageMax) return []
  const text = `the newest snapshot is ${ageText(age)} old, and should be ${ageText(ageMax)} at most`
  return [{ level: 'critical', text }]
}

function fullness({ space }: VolumeStatus): Finding[] {
  return Object.entries(space)
    .filter(
      ([, { bytesFree, files, filesFree }]) => bytesFree === 0 || (files > 0 && filesFree === 0),
    )
    .map(([kind]) => ({ level: 'critical', text: `the disk of its ${kind} is full` }))
}

function failedRuns({ schedules }: VolumeStatus): Finding[] {
  return schedules
    .filter(({ failures }) => failures > 0)
    .map(({ name, failures, lastFailure }) => ({
      level: 'warning',
      text: `schedule ${name} failed ${failures} x: ${lastFailure?.message ?? '?'}`,
    }))
}

function idleness({ state, schedules }: VolumeStatus): Finding[] {
  if (state === 'mounted' || schedules.length === 0) return []
  return [{ level: 'warning', text: 'it is not mounted: its schedules do not run' }]
}

function summaryOf({ state, snapshots, space }: VolumeStatus, age: number | undefined): string {
  const count = `${snapshots} snapshot${snapshots === 1 ? '' : 's'}`
  const newest = age === undefined ? '' : `, the newest ${ageText(age)} old`
  const free = space.store === undefined ? '' : `, ${byteSizeText(space.store.bytesFree)} free`
  return `${count}${newest}${free}${state === 'mounted' ? '' : ', not mounted'}`
}

function withoutUnknown<Name extends string>(
  figures: Record<Name, number | undefined>,
): Partial<Record<Name, number>> {
  const known = Object.entries(figures).filter(([, value]) => value !== undefined)
  return Object.fromEntries(known) as Partial<Record<Name, number>>
}
