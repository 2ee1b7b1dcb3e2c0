/** An integer at random in [0, below). */
export type Choose = (below: number) => number

/** The same seed gives the same choices for ever: mulberry32. */
export function seededChoose(seed: number): Choose {
  let state = seed >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}

/** BYGONE_SEED if it is set, to replay a failure; else a new one. The caller prints it. */
export function seedFromEnvironment(): number {
  const given = process.env['BYGONE_SEED']
  return given === undefined ? Date.now() >>> 0 : Number(given) >>> 0
}
