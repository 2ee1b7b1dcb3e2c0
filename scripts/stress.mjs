#!/usr/bin/env node
// The long run: several programs change a volume while snapshots are taken, read and compared, and the daemon
// is delayed and killed, at fault points and at random. What it does is in test/stress/. Exits with 1, and
// keeps the volume, if anything is not as it must be.
import { spawn } from 'node:child_process'
import { fileURLToPath, URL } from 'node:url'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '5' }, seed: { type: 'string' } },
})
const minutes = Number(values.minutes)
const seed = Number(values.seed ?? (Date.now() ^ (process.pid << 16)) >>> 0)
if (!(minutes > 0) || !Number.isSafeInteger(seed)) {
  console.error('usage: npm run stress -- [--minutes N] [--seed S]')
  process.exit(64)
}

const root = fileURLToPath(new URL('..', import.meta.url))
const vitest = spawn(
  process.execPath,
  ['node_modules/vitest/vitest.mjs', 'run', '--config', 'test/stress/vitest.config.ts'],
  {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, BYGONE_MINUTES: String(minutes), BYGONE_SEED: String(seed) },
  },
)
vitest.on('close', (code) => {
  process.exitCode = code === 0 ? 0 : 1
})
