/*
 * Names of snapshots: `@GMT-YYYY.MM.DD-hh.mm.ss` in UTC, one second apart at least, so that their
 * order is that of time. Samba knows this form and no other.
 */

const pattern = /^@GMT-(\d{4})\.(\d{2})\.(\d{2})-(\d{2})\.(\d{2})\.(\d{2})$/
/** 9999-12-31 23:59:59. */
export const snapshotTimeMaxSec = 253402300799

export function formatSnapshotName(timeSec: number): string {
  if (!isSnapshotTime(timeSec)) throw new Error(`no snapshot can have the time ${timeSec}`)
  const [date, time] = new Date(timeSec * 1000).toISOString().slice(0, 19).split('T') as [
    string,
    string,
  ]
  return `@GMT-${date.replaceAll('-', '.')}-${time.replaceAll(':', '.')}`
}

/**
 * The time that a name stands for; undefined if it is not exactly what formatSnapshotName gives.
 */
export function parseSnapshotName(name: string): number | undefined {
  const match = pattern.exec(name)
  if (match === null) return undefined
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  // Date.UTC rolls 31 February over to March: what is not canonical comes out as another name.
  const timeSec = Date.UTC(year, month - 1, day, hour, minute, second) / 1000
  return isSnapshotTime(timeSec) && formatSnapshotName(timeSec) === name ? timeSec : undefined
}

export function isSnapshotTime(timeSec: number): boolean {
  return Number.isInteger(timeSec) && timeSec >= 0 && timeSec <= snapshotTimeMaxSec
}

/**
 * The time that the next snapshot's name shall stand for: now, or a second after the newest
 * that ever was if the clock is not past that.
 */
export function nextSnapshotTime(nowMs: number, timeLastSec: number): number {
  return Math.max(Math.floor(nowMs / 1000), timeLastSec + 1)
}

/**
 * A snapshot's name below `.snapshots/`, `2026-11-21_09.30.00`: SMB clients can't enter `@GMT-…`.
 */
export function plainSnapshotName(name: string): string {
  const [date = '', time = ''] = name.replace('@GMT-', '').split('-')
  return `${date.replaceAll('.', '-')}_${time}`
}
