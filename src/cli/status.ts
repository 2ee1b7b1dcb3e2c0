import { Command } from 'commander'
import type { VolumeStatus } from '../daemon/control-protocol.js'
import { volumeStatus } from '../daemon/listing.js'
import { inOneLine, printJson, printLine } from './output.js'

export function statusCommand(): Command {
  return new Command('status')
    .summary('show how a volume is doing')
    .description('Shows the mount, the store, what was agreed on with the kernel, and counts.')
    .argument(
      '[volume]',
      'its name, origin or mount point; default: the one around the working directory',
    )
    .option('--json', 'as JSON, for programs')
    .addHelpText(
      'after',
      `
Examples:
  bygone status /srv/docs
  bygone status docs --json | jq .gauges`,
    )
    .action(status)
}

async function status(volume: string | undefined, flags: { json?: true }): Promise<void> {
  const shown = await volumeStatus(volume)
  if (flags.json === true) printJson(shown)
  else for (const line of describe(shown)) printLine(line)
}

/** `field: value`, a line each; what is made of several goes below its heading. */
function describe(shown: VolumeStatus): string[] {
  return Object.entries(shown).flatMap(([field, value]) => {
    if (value === null || value === undefined) return []
    if (typeof value !== 'object') return [row(field, value)]
    const inner = Object.entries(value as Record<string, unknown>)
    return [`${field}:`, ...inner.map(([name, each]) => `  ${row(name, each)}`)]
  })
}

function row(field: string, value: unknown): string {
  const text = Array.isArray(value) ? value.join(' ') || '-' : String(value)
  return `${`${field}:`.padEnd(22)} ${inOneLine(text)}`
}
