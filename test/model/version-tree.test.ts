import fc from 'fast-check'
import { expect, test } from 'vitest'
import { seededChoose, seedOfThisRun, type Choose } from '../support/random.js'
import { checkEmpty, checkWorld } from '../support/version-checks.js'
import { VersionWorld, type WorldOptions } from '../support/version-world.js'

// Versions and elements against an oracle that copies everything. A failure prints its seed and the
// number of the operation; BYGONE_SEED=<seed> replays it, BYGONE_OPERATIONS=<n> sets how many.

const operationsWanted = Number(process.env['BYGONE_OPERATIONS'] ?? 120_000)
const operationsPerWorld = 1000
const operationsRemembered = 12
const seed = seedOfThisRun()
// Far beyond what the operations take: about 0.15 ms each.
const timeoutMs = 60_000 + operationsWanted * 2

const trunk: WorldOptions = {
  addresses: 4,
  visibleMax: 12,
  hasClones: false,
  hasRollback: true,
  isSweptAtOnce: false,
}
const trees = { ...trunk, hasClones: true, hasRollback: false }
const worlds: WorldOptions[] = [
  trunk,
  { ...trees, isSweptAtOnce: true },
  trees,
  { ...trees, addresses: 1, visibleMax: 5 },
  { ...trees, addresses: 2, visibleMax: 7, hasRollback: true },
  { ...trees, addresses: 6, visibleMax: 18 },
]

test(
  `${operationsWanted} random operations leave every version as the oracle has it`,
  () => {
    console.log(`version model: BYGONE_SEED=${seed} BYGONE_OPERATIONS=${operationsWanted}`)
    for (let first = 0; first < operationsWanted; first += operationsPerWorld) {
      const number = first / operationsPerWorld
      const count = Math.min(operationsPerWorld, operationsWanted - first)
      run(optionsOf(number), seededChoose(seed + number), first, count)
    }
  },
  timeoutMs,
)

test(
  'short histories, which shrink when they fail, agree with the oracle too',
  () => {
    const history = fc.array(fc.nat(999), { minLength: 1, maxLength: 300, size: 'max' })
    const property = fc.property(fc.nat(worlds.length - 1), history, (number, choices) => {
      let next = 0
      const choose: Choose = (below) => (choices[next++ % choices.length] ?? 0) % below
      run(optionsOf(number), choose, 0, Math.ceil(choices.length / 3))
    })
    fc.assert(property, { seed, numRuns: 300 })
  },
  timeoutMs,
)

test('the random operations reach every rule', () => {
  const performed = worlds.flatMap((options, number) => [
    ...run(options, seededChoose(number), 0, 1000).store.actions.keys(),
  ])
  expect([...new Set(performed)].sort()).toEqual([
    'roll back: free',
    'roll back: preserve',
    'roll back: restore',
    'sweep: free',
    'sweep: relabel',
    'write to the origin: nothing',
    'write to the origin: preserve',
    'write: allocate',
    'write: overwrite',
    'write: relabel',
    'write: relocate',
  ])
})

function run(options: WorldOptions, choose: Choose, first: number, count: number): VersionWorld {
  const world = new VersionWorld(options, choose)
  const remembered: string[] = []
  let operation = first
  try {
    for (; operation < first + count; operation += 1) {
      world.operate()
      remembered.push(world.lastOperation)
      if (remembered.length > operationsRemembered) remembered.shift()
      checkWorld(world, operation)
    }
    world.empty()
    checkEmpty(world)
    return world
  } catch (error) {
    const story = remembered.join('\n  ')
    const message = error instanceof Error ? error.message : String(error)
    throw new Error(
      `seed ${seed}, operation ${operation}: ${message}\n  ${story}\n  (after these, or in the next)`,
      { cause: error },
    )
  }
}

function optionsOf(number: number): WorldOptions {
  const options = worlds[number % worlds.length]
  if (options === undefined) throw new Error('there are worlds')
  return options
}
