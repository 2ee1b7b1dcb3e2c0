#!/usr/bin/env node
// How long a volume takes to recover from a crash, by what the crash has left: `node test/bench/recovery.mjs
// [--mib N] [--dir DIRECTORY]`. A child process fills a journal and is killed; then the volume is
// opened. `npm run build` first.
import { Buffer } from 'node:buffer'
import { randomFillSync } from 'node:crypto'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, openSync, readdirSync, rmSync, statSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { setInterval } from 'node:timers'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { VolumeStore } from '../../dist/store/volume-store.js'
import { Attributes } from '../../dist/base/attributes.js'

const { values } = parseArgs({
  options: {
    mib: { type: 'string', default: '1024' },
    dir: { type: 'string', default: tmpdir() },
    fill: { type: 'string' },
    with: { type: 'string' },
  },
})
const journalBytes = Number(values.mib) << 20

// What a journal may be made of: of chunks it has few elements for its size, of names and attributes many.
const contents = {
  'chunks of 64 KiB': { chunkBytes: 65536 },
  'chunks of 4 KiB': { chunkBytes: 4096 },
  'removed files': { chunkBytes: 0 },
}

const sourceBytes = 64 << 20

/** In the child: fills the volume in `directory`, says so, and waits to be killed. */
function fill(directory, { chunkBytes }) {
  const store = VolumeStore.open({ directory: join(directory, 'volume'), durability: 'ordered' })
  const isFull = () => store.stats().journalBytes >= journalBytes
  if (chunkBytes > 0) {
    const fd = openSync(join(directory, 'source'), 'w+')
    writeSync(fd, randomFillSync(Buffer.alloc(sourceBytes)))
    const chunks = Math.min(sourceBytes, 1 << 20) / chunkBytes
    for (let object = 100; !isFull(); object++) {
      for (let first = 0; first < sourceBytes / chunkBytes && !isFull(); first += chunks) {
        store.preserveChunks(object, 7, fd, first, chunks, chunkBytes, sourceBytes)
      }
    }
  } else {
    const attributes = Object.assign(new Attributes(), {
      mode: 0o100644,
      nlink: 1,
      sizeBytes: 1000,
    })
    for (let object = 1000; !isFull(); object++) {
      const change = store.change()
      const name = `a name of usual length ${object}`
      const parent = 5 + Math.floor(object / 100)
      change.addName(parent, name, 7, { object, type: 8 })
      change.addAttributes(object, 7, { attributes, xattrs: [], sizeMaxBytes: 1000 })
      change.addLocation(object, { isRetired: true, places: [{ parent, name }], bornAfter: 0 })
      store.commit(change)
    }
  }
  process.stdout.write('full\n')
  setInterval(() => undefined, 1000)
}

async function fillAndKill(directory, content) {
  const args = [
    fileURLToPath(import.meta.url),
    '--fill',
    directory,
    '--with',
    content,
    '--mib',
    values.mib,
  ]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const closed = once(child, 'close')
  await Promise.race([once(child.stdout, 'data'), closed])
  if (child.exitCode !== null) throw new Error('the child could not fill the volume')
  child.kill('SIGKILL')
  await closed
}

/** Opens the volume, as it was left, and says how long that took. */
function measure(label, directory, options = {}) {
  const started = performance.now()
  const store = VolumeStore.open({ directory, durability: 'ordered', ...options })
  const seconds = (performance.now() - started) / 1000
  const { recordsReplayed, wasIndexRebuilt, segments } = store.recovery
  const { maxRSS } = process.resourceUsage()
  console.log(
    `${seconds.toFixed(2).padStart(7)} s  ${label}: ${recordsReplayed} records replayed of ${segments} segments` +
      `${wasIndexRebuilt ? ', index made anew' : ''} (peak ${Math.round(maxRSS / 1024)} MiB)`,
  )
  store.close()
}

async function main() {
  for (const content of Object.keys(contents)) {
    await withKilled(content, (volume) => {
      const journal = join(volume, 'journal')
      const sizes = readdirSync(journal).map((name) => statSync(join(journal, name)).size)
      const mib = Math.round(sizes.reduce((sum, size) => sum + size, 0) / (1 << 20))
      console.log(`${content}: a journal of ${mib} MiB`)
      measure('after kill -9', volume)
      measure('after a clean unmount', volume)
      rmSync(join(volume, 'index'), { recursive: true })
      measure('index lost', volume)
    })
    await withKilled(content, (volume) => {
      measure('machine restarted', volume, { bootId: 'another run of the machine' })
    })
  }
}

async function withKilled(content, use) {
  const directory = mkdtempSync(join(values.dir, 'bygone-recovery.'))
  try {
    await fillAndKill(directory, content)
    use(join(directory, 'volume'))
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

if (values.fill === undefined) await main()
else fill(values.fill, contents[values.with])
