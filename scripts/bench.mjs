#!/usr/bin/env node
// Compares bygone with the plain file system below it and with bindfs, as ratios in one run.
// What it measures with is in test/bench/: this file says what is measured, in which order.
import { chmodSync, mkdirSync, mkdtempSync } from 'node:fs'
import { cpus, release } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { account } from '../test/bench/account.mjs'
import { run } from '../test/bench/child.mjs'
import { judge, snapshotLabel } from '../test/bench/goals.mjs'
import { measureHistories } from '../test/bench/histories.mjs'
import { readOptions } from '../test/bench/options.mjs'
import { Results } from '../test/bench/results.mjs'
import {
  afterSnapshot,
  copyAndRemove,
  operate,
  overwrites,
  prepareFor,
  rowsOf,
} from '../test/bench/rows.mjs'
import * as systems from '../test/bench/systems.mjs'
import { makeLargeFile, makeTree } from '../test/bench/trees.mjs'

const MIB = 1 << 20
const SLOW_MS = 60_000
// How many snapshots there are, on average, while "few" are measured: some have warmed the daemon up.
const SNAPSHOTS_FEW = 10
const WARM_UP = 3
const SAMPLES = 15

const options = readOptions()
const { sizes } = options
const isRoot = process.getuid() === 0
const wanted = (key) => options.rows.includes(key)
const progress = (text) => void process.stderr.write(`bench: ${text}\n`)

const directory = mkdtempSync(join(options.dir, 'bygone-bench.'))
chmodSync(directory, 0o755)
const results = new Results(progress)
const running = []
let clearing
const machine = { fileSystem: '', kernel: release(), cpus: cpus().length }
const transports = ['native', 'fuse-native'].filter((name) => options.systems.includes(name))

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    progress('interrupted: this is what there is so far')
    results.stop()
    print()
    process.exitCode = 130
    clearAway().finally(() => process.exit())
  })
}

try {
  await describeMachine()
  if (wanted('snapshot')) {
    for (const transport of transports) await measureSnapshots(transport)
  }
  if (wanted('durability')) await measureDurability()
  if (wanted('history') && transports.includes('native')) await measureTwoHistories()
  const apart = ['snapshot', 'durability', 'history']
  if (options.rows.some((key) => !apart.includes(key))) await measureFiles()
  if (process.exitCode === undefined) print()
} catch (error) {
  // After an interruption things fail because they are being cleared away.
  if (process.exitCode === undefined) progress(error.message)
  process.exitCode ??= 1
} finally {
  for (const system of clearing === undefined ? running.toReversed() : []) {
    await system.stop().catch((error) => progress(`${system.name}: ${error.message}`))
  }
  await clearAway()
}
process.exit()

/** Once: a second time would end the processes of the first. */
function clearAway() {
  return (clearing ??= systems.clearAway(directory))
}

function print() {
  const { rows, notes } = results
  const result = { machine, runs: options.runs, sizes, rows, notes }
  result.goals = judge(result)
  console.log(options.json ? JSON.stringify(result, undefined, 2) : account(result))
}

async function describeMachine() {
  const { stdout } = await run('df', ['--output=fstype', directory])
  machine.fileSystem = stdout.trim().split('\n').at(-1)
  results.note(`plain is ${machine.fileSystem}; kernel ${machine.kernel}; ${machine.cpus} cpus`)
  results.note(`median of ${options.runs}; sizes: ${options.quick ? 'quick' : 'full'}`)
  if (!isRoot) results.note('not root: nothing is measured with cold caches')
}

// --- snapshots -------------------------------------------------------------------------------------

async function measureSnapshots(transport) {
  for (const files of [sizes.filesFew, sizes.filesMany]) {
    const origin = join(directory, `${transport}-${files}`)
    mkdirSync(origin)
    progress(`snapshots of ${files} files, ${transport}`)
    makeTree(join(origin, 'tree'), files, { bytesMax: 0 })
    await run('sync', [])
    const system = new systems.Bygone(origin, transport)
    if (!(await start(system))) return
    await results.attempt(transport, 'snapshot', async () => {
      await run('find', [join(system.live, 'tree'), '-size', '+0'])
      const take = (prefix, count) => operate('snapshots', system.live, prefix, count)
      await take('first', WARM_UP)
      const few = await take('few', SAMPLES)
      await take('more', sizes.snapshotsMany - WARM_UP - SAMPLES)
      const many = await take('many', SAMPLES)
      results.record('snapshot', snapshotLabel(files, SNAPSHOTS_FEW), 'ms', transport, inMs(few))
      results.record(
        'snapshot',
        snapshotLabel(files, sizes.snapshotsMany),
        'ms',
        transport,
        inMs(many),
      )
      if (files !== sizes.filesMany) return
      const commands = []
      for (let n = 0; n < options.runs; n++) commands.push(await system.commandSeconds())
      results.record('snapshot', '`bygone snapshot`, whole', 'ms', transport, inMs(commands))
      results.record('snapshot', 'memory of the daemon', 'MiB', transport, [
        systems.daemonBytes() / MIB,
      ])
    })
    await stop(system)
    await run('rm', ['-rf', '--one-file-system', origin])
  }
}

function inMs(seconds) {
  return seconds.map((number) => number * 1e3)
}

// --- files -----------------------------------------------------------------------------------------

async function measureFiles() {
  progress(`making ${sizes.treeFiles} files and one of ${sizes.largeBytes / MIB} MiB`)
  const master = join(directory, 'plain')
  mkdirSync(master)
  makeTree(join(master, 'tree'), sizes.treeFiles)
  makeLargeFile(join(master, 'large'), sizes.largeBytes)
  const scratch = join(directory, 'scratch')
  mkdirSync(scratch)

  const candidates = [new systems.Plain(master)]
  if (!options.systems.includes('bindfs')) {
    results.note('bindfs was not asked for')
  } else if (await systems.hasProgram('bindfs')) {
    candidates.push(new systems.Bindfs(join(directory, 'bindfs')))
  } else {
    results.note('bindfs is not installed: its column is empty (apt-get install bindfs)')
  }
  for (const transport of transports) {
    candidates.push(new systems.Bygone(join(directory, transport), transport))
  }
  const started = []
  for (const system of candidates) {
    if (system.origin !== master) await run('cp', ['-a', master, system.origin])
    if (await start(system)) started.push(system)
  }
  await run('sync', [])

  const rows = rowsOf(sizes)
  const live = started.map((system) => placeOf(system.name, system, system.live, scratch))
  await measureRows(rows.writing, live)

  if (rows.reading.some(({ key }) => wanted(key))) {
    const past = []
    for (const system of started) {
      await results.attempt(system.name, 'snapshot', async () => {
        if (system.canSnapshot) {
          past.push(placeOf(`${system.name}@`, system, await system.snapshot(), scratch))
        }
        await operate('change', `${system.live}/large`, sizes.largeBytes, `${system.live}/tree`)
      })
    }
    await measureRows(rows.reading, [...live, ...past])
  }
  if (wanted('overwrite')) await measureOverwrites(started)
  if (wanted('rm')) await measureRemoval(started, join(master, 'tree'))
  for (const system of started.toReversed()) await stop(system)
}

function placeOf(name, system, root, scratch) {
  return { name, live: system.live, root, scratch }
}

/** Run by run over all places, so that a slow minute of the machine meets all of them alike. */
async function measureRows(rows, places) {
  for (const row of rows) {
    if (!wanted(row.key) || (row.before === 'cold' && !isRoot)) continue
    progress(row.label)
    // More runs of what takes a minute would tell nothing more: its noise is small.
    const slow = new Set()
    for (let index = 0; index < options.runs; index++) {
      for (const place of places.filter(({ name }) => !slow.has(name))) {
        const begun = performance.now()
        await results.attempt(place.name, row.label, async () => {
          await prepareFor(row, place, index)
          results.record(row.key, row.label, row.unit, place.name, [await row.measure(place)])
        })
        if (performance.now() - begun > SLOW_MS) slow.add(place.name)
      }
    }
  }
}

async function measureOverwrites(started) {
  for (const [sync, suffix] of [
    ['none', ''],
    ['sync', ', sync'],
  ]) {
    progress(`overwrites of 64 KiB${suffix}`)
    for (let index = 0; index < options.runs; index++) {
      for (const system of started) {
        await results.attempt(system.name, `overwrite${suffix}`, async () => {
          const { without, first, later } = await overwrites(system, sizes, sync)
          const note = (label, speed) =>
            results.record('overwrite', label + suffix, 'MB/s', system.name, [speed])
          note('nothing to preserve', without)
          note('first after snapshot', first)
          note('later ones', later)
        })
      }
    }
  }
}

async function measureRemoval(started, tree) {
  progress('cp -a into the live tree, rm -rf')
  for (let index = 0; index < options.runs; index++) {
    for (const system of started) {
      await results.attempt(system.name, 'rm', async () => {
        const { into, removal } = await copyAndRemove(system, tree)
        results.record('rm', 'cp -a into the live tree', 's', system.name, [into])
        results.record('rm', 'rm -rf after a snapshot', 's', system.name, [removal])
      })
    }
  }
}

// --- durability ------------------------------------------------------------------------------------

async function measureDurability() {
  progress('ordered and strict durability')
  const places = [['plain', (origin) => new systems.Plain(origin)]]
  for (const durability of ['ordered', 'strict']) {
    places.push([durability, (origin) => new systems.Bygone(origin, 'native', durability)])
  }
  const started = []
  for (const [name, make] of places) {
    const origin = join(directory, `durability-${name}`)
    mkdirSync(origin)
    const system = make(origin)
    if (await start(system)) started.push([name, system])
  }
  for (let index = 0; index < options.runs; index++) {
    for (const [name, system] of started) {
      await results.attempt(name, 'durability', async () => {
        for (const [label, speed] of Object.entries(await afterSnapshot(system, sizes))) {
          results.record('durability', label, '/s', name, [speed])
        }
      })
    }
  }
  for (const [, system] of started.toReversed()) await stop(system)
}

// --- few snapshots, and many -----------------------------------------------------------------------

async function measureTwoHistories() {
  progress(`${sizes.historyFew} and ${sizes.historyMany} snapshots of ${sizes.historyFiles} files`)
  const record = (label, volume, ms) => results.record('history', label, 'ms', volume, [ms])
  await results.attempt('history', 'history', () =>
    measureHistories({ directory, sizes, runs: options.runs, start, stop, record }),
  )
}

// --- starting and stopping -----------------------------------------------------------------------------

async function start(system) {
  running.push(system)
  if (await results.attempt(system.name, 'mount', () => system.start())) return true
  running.splice(running.indexOf(system), 1)
  return false
}

async function stop(system) {
  running.splice(running.indexOf(system), 1)
  await results.attempt(system.name, 'unmount', () => system.stop())
}
