import { quoted } from './revision-error.js'

/** A point in time as people write it; what it is depends on when, and in which zone, it is read. */
export type TimeWord = { kind: 'instant'; ms: number } | { kind: 'ago'; count: number; unit: Unit }

type Unit = 'second' | 'minute' | 'hour' | 'day' | 'week' | 'month' | 'year'

const units: Record<string, Unit> = {
  s: 'second',
  second: 'second',
  min: 'minute',
  m: 'minute',
  minute: 'minute',
  h: 'hour',
  hour: 'hour',
  d: 'day',
  day: 'day',
  w: 'week',
  week: 'week',
  month: 'month',
  y: 'year',
  year: 'year',
}

const agoPattern = /^(\d+)\s*([a-z]+)\s+ago$/
/** What is meant as a date, right or wrong. A snapshot's plain name has an underscore behind the day. */
const datePattern = /^\d{4}-\d{2}-\d{2}(?:[T\s].*|Z|[+].*)?$/
const isoPattern =
  /^(\d{4})-(\d{2})-(\d{2})(?:(?:T|\s+)(\d{2}):(\d{2})(?::(\d{2})(?:[.](\d{1,9}))?)?\s*(Z|[+-]\d{2}(?::?\d{2})?)?)?$/

/** Something that reads like a time, but is none. */
export class TimeError extends Error {}

/**
 * `now`, `yesterday` (this time of the day before), `N UNITS ago`, and ISO 8601 dates and times; without a
 * zone they are of the zone that this process runs in, without a time they are midnight. Undefined: the
 * word is no time. Throws TimeError.
 */
export function parseTimeWord(word: string): TimeWord | undefined {
  if (word === 'now') return { kind: 'ago', count: 0, unit: 'second' }
  if (word === 'yesterday') return { kind: 'ago', count: 1, unit: 'day' }
  const ago = agoPattern.exec(word)
  if (ago !== null) return parseAgo(word, ago[1] ?? '', ago[2] ?? '')
  if (!datePattern.test(word)) return undefined
  return { kind: 'instant', ms: parseIso(word) }
}

/** Milliseconds since 1970. */
export function timeOf(word: TimeWord, now: Date): number {
  if (word.kind === 'instant') return word.ms
  const { count, unit } = word
  const then = new Date(now)
  switch (unit) {
    case 'second':
    case 'minute':
    case 'hour':
      return now.getTime() - count * { second: 1, minute: 60, hour: 3600 }[unit] * 1000
    case 'day':
    case 'week':
      // Days of the calendar: the hand of the clock is where it was, whatever summer time did.
      then.setDate(then.getDate() - count * (unit === 'week' ? 7 : 1))
      return then.getTime()
    case 'month':
    case 'year':
      return monthsBefore(then, count * (unit === 'year' ? 12 : 1))
  }
}

/** A month before 31 March is the last day of February. */
function monthsBefore(date: Date, count: number): number {
  const day = date.getDate()
  date.setDate(1)
  date.setMonth(date.getMonth() - count)
  const last = new Date(date)
  last.setMonth(last.getMonth() + 1, 0)
  date.setDate(Math.min(day, last.getDate()))
  return date.getTime()
}

/** More than anybody's past, and in every unit still a date. */
const countMax = 100_000_000
const yearsMax = 10_000

function parseAgo(word: string, digits: string, unitWord: string): TimeWord {
  const unit = units[unitWord] ?? units[unitWord.replace(/s$/, '')]
  if (unit === undefined) throw new TimeError(`${quoted(unitWord)} is no unit of time`)
  const count = Number(digits)
  const isCalendar = unit === 'month' || unit === 'year' || unit === 'week' || unit === 'day'
  if (count > (isCalendar ? yearsMax : countMax))
    throw new TimeError(`${quoted(word)} is too long ago`)
  return { kind: 'ago', count, unit }
}

function parseIso(word: string): number {
  const [, year, month, day, hour = '0', minute = '0', second = '0', fraction = '', zone] =
    isoPattern.exec(word) ?? []
  if (year === undefined || month === undefined || day === undefined) {
    throw new TimeError(`${quoted(word)} is no time: write it as 2026-11-20T18:00 or with +09:00`)
  }
  const fields = [year, month, day, hour, minute, second].map(Number)
  const [y = 0, mo = 0, d = 0, h = 0, mi = 0, s = 0] = fields
  const utcMs = Date.UTC(y, mo - 1, d, h, mi, s)
  // Date rolls 31 February over to March: what is none comes out as another one.
  const isDate = new Date(utcMs).toISOString().startsWith(`${year}-${month}-${day}T`)
  if (!isDate || h > 23 || mi > 59 || s > 59) {
    throw new TimeError(`${quoted(word)} is no time: there is no such day or hour`)
  }
  const fractionMs = Number(`0.${fraction}0`) * 1000
  if (zone === undefined) return new Date(y, mo - 1, d, h, mi, s).getTime() + fractionMs
  return utcMs + fractionMs - zoneOffsetMs(word, zone)
}

function zoneOffsetMs(word: string, zone: string): number {
  if (zone === 'Z') return 0
  const digits = zone.slice(1).replace(':', '')
  const hours = Number(digits.slice(0, 2))
  const minutes = Number(digits.slice(2))
  if (hours > 14 || minutes > 59) throw new TimeError(`${quoted(word)}: there is no zone ${zone}`)
  return (zone.startsWith('-') ? -1 : 1) * (hours * 60 + minutes) * 60_000
}
