import { accessSync, constants, existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, test } from 'vitest'

export const cliPath = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

/** Why tests with real mounts can't run here, or undefined. */
export function obstacle(): string | undefined {
  if (process.getuid?.() !== 0) return 'they need root: they make devices and change owners'
  if (!canUse('/dev/fuse')) return '/dev/fuse is missing or may not be opened'
  return undefined
}

/**
 * A suite that mounts. Where the machine can't, it is skipped and says why; under CI=true that is a
 * failure, so that no run is taken for a test of what it did not touch.
 */
export function describeMount(name: string, suite: () => void): void {
  const reason = obstacle()
  if (reason === undefined) {
    describe(name, suite)
  } else if (process.env['CI'] === 'true') {
    test(name, () => {
      throw new Error(`mount tests can't run: ${reason}`)
    })
  } else {
    console.log(`skipped: ${name}: mount tests can't run: ${reason}`)
    describe.skip(name, suite)
  }
}

export function needBuiltProgram(): void {
  if (!existsSync(cliPath)) throw new Error(`${cliPath} is missing: run \`npm run build\` first`)
}

function canUse(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
}
