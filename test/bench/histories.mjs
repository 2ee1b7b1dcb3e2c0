import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { operate } from './rows.mjs'
import { Bygone } from './systems.mjs'
import { makeTree } from './trees.mjs'

/**
 * A volume of `files` files with few snapshots and one with many, with as many changes between them: what taking one,
 * looking files up in an old one and listing them cost with one history more than with the other. By turns, so that a
 * slow minute of the machine meets both alike.
 *
 * `record(label, volume, milliseconds)`.
 */
export async function measureHistories({ directory, sizes, runs, start, stop, record }) {
  const volumes = []
  for (const [name, snapshots] of [
    ['few', sizes.historyFew],
    ['many', sizes.historyMany],
  ]) {
    const origin = join(directory, `history-${name}`)
    mkdirSync(origin)
    makeTree(join(origin, 'tree'), sizes.historyFiles, { bytesMax: 4_096 })
    const system = new Bygone(origin, 'native')
    if (!(await start(system))) return
    const tree = `${system.live}/tree`
    await operate('history', system.live, tree, snapshots, sizes.historyFiles)
    volumes.push({ name, snapshots, system, tree })
  }
  // What all snapshots hold is counted once: it is not what a listing costs.
  for (const { system } of volumes) await system.command('list', system.live, '--wait')
  for (let run = 0; run < runs; run++) {
    for (const { name, system, snapshots, tree } of volumes) {
      const taken = await operate('snapshots', system.live, `run-${run}`, 5)
      for (const seconds of taken) record('snapshot', name, seconds * 1e3)
      // Another one each time: what has been looked up once the kernel knows.
      const old = Math.floor((snapshots * (run + 1)) / (runs + 2))
      const past = `${system.live}/.snapshots/history-${old}/tree`
      const [lookup] = await operate('lookup', tree, past)
      record(`lookup of ${sizes.historyFiles} files`, name, lookup * 1e3)
      const { seconds } = await system.command('list', system.live)
      record('`bygone list VOLUME`, whole', name, seconds * 1e3)
    }
  }
  for (const { system } of volumes.toReversed()) await stop(system)
}
