/** A time as people read it: of this process's zone, to the second. */
export function when(timeSec: number): string {
  const date = new Date(timeSec * 1000)
  const two = (value: number) => String(value).padStart(2, '0')
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join('-')
  return `${day} ${[date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':')}`
}

/** How long ago that was, where there is little room: `3 h ago`. */
export function ago(timeSec: number, nowMs: number): string {
  const seconds = Math.max(0, Math.floor(nowMs / 1000 - timeSec))
  const units = [
    ['d', 86_400],
    ['h', 3600],
    ['min', 60],
    ['s', 1],
  ] as const
  const [unit, length] = units.find((each) => seconds >= each[1] * 2) ?? ['s', 1]
  return `${Math.floor(seconds / length)} ${unit} ago`
}
