/* Hours, days, weeks, months and years of a time zone, by name. */

export const calendarPeriods = ['hourly', 'daily', 'weekly', 'monthly', 'yearly'] as const
export type CalendarPeriod = (typeof calendarPeriods)[number]

const daySec = 86400

/** A function from a time (seconds since 1970) to the name of the period it is in. */
export function periodNames(period: CalendarPeriod, zone: string): (timeSec: number) => string {
  const clock = wallClock(zone)
  return (timeSec) => nameOf(period, clock(timeSec))
}

/** `wallSec`: what the clock on the wall shows, as seconds since 1970 in UTC. */
function nameOf(period: CalendarPeriod, wallSec: number): string {
  const text = new Date(wallSec * 1000).toISOString()
  switch (period) {
    case 'hourly':
      return text.slice(0, 13)
    case 'daily':
      return text.slice(0, 10)
    case 'weekly':
      return `from ${mondayOf(wallSec)}`
    case 'monthly':
      return text.slice(0, 7)
    case 'yearly':
      return text.slice(0, 4)
  }
}

function mondayOf(wallSec: number): string {
  const day = Math.floor(wallSec / daySec)
  // 1970 began on a Thursday.
  const monday = day - ((((day + 3) % 7) + 7) % 7)
  return new Date(monday * daySec * 1000).toISOString().slice(0, 10)
}

function wallClock(zone: string): (timeSec: number) => number {
  if (zone === 'UTC') return (timeSec) => timeSec
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
  })
  return (timeSec) => {
    const parts = format.formatToParts(timeSec * 1000)
    const field = (type: string) => Number(parts.find((part) => part.type === type)?.value)
    const [year, month, day] = [field('year'), field('month'), field('day')]
    return Date.UTC(year, month - 1, day, field('hour'), field('minute')) / 1000
  }
}
