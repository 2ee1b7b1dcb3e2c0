import { Command } from 'commander'
import { listSnapshots, listVolumes } from '../daemon/listing.js'
import { printJson, printLine } from './output.js'
import { table } from './table.js'

export function listCommand(): Command {
  return new Command('list')
    .alias('ls')
    .summary("list volumes, or a volume's snapshots")
    .description(
      'Without VOLUME: the volumes of every store that is in use, and the one around the ' +
        'working directory. With VOLUME: its snapshots, the newest last; it need not be mounted.',
    )
    .argument('[volume]', 'its name, origin, mount point, or any path inside')
    .option('--json', 'as JSON, for programs')
    .addHelpText(
      'after',
      `
Examples:
  bygone list
  bygone list .                              snapshots of the volume around the working directory
  bygone list /srv/docs --json | jq -r .[-1].name`,
    )
    .action(list)
}

async function list(volume: string | undefined, flags: { json?: true }): Promise<void> {
  if (volume === undefined) {
    const volumes = await listVolumes()
    if (flags.json === true) printJson(volumes)
    else if (volumes.length > 0) {
      const rows = volumes.map((each) => [
        each.name,
        String(each.snapshots),
        each.newest ?? '-',
        each.mountPoint ?? `(${each.origin})`,
      ])
      for (const line of table(['VOLUME', 'SNAPSHOTS', 'NEWEST', 'MOUNTED ON'], rows))
        printLine(line)
    }
    return
  }
  const snapshots = await listSnapshots(volume)
  if (flags.json === true) printJson(snapshots)
  else if (snapshots.length > 0) {
    const rows = snapshots.map((each) => [each.name, each.tags.join(' '), each.memo])
    for (const line of table(['SNAPSHOT', 'TAGS', 'MEMO'], rows)) printLine(line)
  }
}
