import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'

const KEYS = [
  'snapshot',
  'write',
  'write4k',
  'find',
  'stat',
  'cp',
  'read',
  'overwrite',
  'rm',
  'durability',
  'history',
]
const SYSTEMS = ['plain', 'bindfs', 'native', 'fuse-native']
const USAGE = `usage: npm run bench -- [options]

  --rows LIST     only these: ${KEYS.join(',')}
  --systems LIST  only these, besides plain: ${SYSTEMS.slice(1).join(',')}
  --runs N        the median of N runs (3); of one, where a run takes a minute
  --quick         small sizes: to see that it works, not how fast it is
  --dir DIR       where to work (a new directory in $TMPDIR or /tmp)
  --json          the figures of every run as JSON instead of the table

As root it also measures with cold caches. Needs up to 8 GB of space.`

const MIB = 1 << 20
const SIZES_FULL = {
  treeFiles: 20_000,
  largeBytes: 512 * MIB,
  smallWritesBytes: 64 * MIB,
  fileBytes: 128 * MIB,
  overwrites: 1_000,
  commits: 500,
  durabilityFiles: 2_000,
  filesFew: 1_000,
  filesMany: 100_000,
  snapshotsMany: 1_000,
  historyFiles: 10_000,
  historyFew: 10,
  historyMany: 1_000,
}
const SIZES_QUICK = {
  treeFiles: 2_000,
  largeBytes: 64 * MIB,
  smallWritesBytes: 8 * MIB,
  fileBytes: 16 * MIB,
  overwrites: 200,
  commits: 50,
  durabilityFiles: 200,
  filesFew: 1_000,
  filesMany: 10_000,
  snapshotsMany: 100,
  historyFiles: 1_000,
  historyFew: 10,
  historyMany: 100,
}

/** What the command line asks for; ends the process where it asks for help or makes no sense. */
export function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        rows: { type: 'string', default: KEYS.join(',') },
        systems: { type: 'string', default: SYSTEMS.join(',') },
        runs: { type: 'string', default: '3' },
        quick: { type: 'boolean', default: false },
        dir: { type: 'string', default: tmpdir() },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
    if (values.help) {
      console.log(USAGE)
      process.exit(0)
    }
    const rows = chosen('row', values.rows, KEYS)
    const systems = chosen('system', values.systems, SYSTEMS)
    const runs = Number(values.runs)
    if (!Number.isInteger(runs) || runs < 1) throw new Error('--runs takes a number from 1')
    return { ...values, rows, systems, runs, sizes: values.quick ? SIZES_QUICK : SIZES_FULL }
  } catch (error) {
    console.error(`bench: ${error.message}\n\n${USAGE}`)
    process.exit(64)
  }
}

function chosen(what, list, known) {
  const names = list.split(',')
  const unknown = names.find((name) => !known.includes(name))
  if (unknown !== undefined)
    throw new Error(`no ${what} '${unknown}': there are ${known.join(', ')}`)
  return names
}
