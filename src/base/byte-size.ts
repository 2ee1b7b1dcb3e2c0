const units = ['', 'K', 'M', 'G', 'T'] as const

/** `64K`, `1.5G` or plain bytes, units of 1024; also `64KiB`. Undefined for what is no size. */
export function parseByteSize(text: string): number | undefined {
  const [, digits, unit] = /^(\d{1,9}(?:\.\d{1,3})?)\s*([kmgt]?)(?:i?b)?$/i.exec(text) ?? []
  if (digits === undefined || unit === undefined) return undefined
  const power = units.findIndex((each) => each === unit.toUpperCase())
  return Math.floor(Number(digits) * 1024 ** power)
}

/** For people: `1.5 GiB`. */
export function byteSizeText(bytes: number): string {
  let power = 0
  while (bytes >= 1024 ** (power + 1) && power < units.length - 1) power++
  const unit = units[power] ?? ''
  const value = bytes / 1024 ** power
  const digits = power > 0 && value < 10 ? 1 : 0
  return `${value.toFixed(digits)} ${unit === '' ? 'bytes' : `${unit}iB`}`
}
