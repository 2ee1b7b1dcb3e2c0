import fc from 'fast-check'
import { seedOfThisRun } from './random.js'

/** How long each property is tried; `npm run fuzz` gives more. */
const defaultMs = 1500
const property = Number(process.env['BYGONE_FUZZ_MS'] ?? defaultMs)

/** Printed with every failure: BYGONE_SEED replays the run. */
export const fuzzSeed = seedOfThisRun() | 0

/** Runs a property for a while, with new cases from one seed; at the first that fails the smallest is shown. */
export function fuzz<Values>(tried: fc.IProperty<Values>): void {
  fc.assert(tried, fuzzOptions)
}

export const fuzzOptions = {
  seed: fuzzSeed,
  numRuns: 1_000_000_000,
  interruptAfterTimeLimit: property,
  markInterruptAsFailure: false,
} as const
