import { Command } from 'commander'
import type { ControlClient } from '../daemon/control-client.js'
import { snapshotGroup } from '../daemon/group/group-past.js'
import { groupAt } from '../daemon/group/group-paths.js'
import { findMounted } from '../daemon/volume-finder.js'
import type { MountedVolumeFound } from '../daemon/volume-finder.js'
import { groupMeant, snapDirOption } from './group-options.js'
import { printLine } from './output.js'

interface SnapshotFlags {
  memo?: string
  tag?: string[]
  snapDir?: string
}

export function snapshotCommand(): Command {
  return new Command('snapshot')
    .summary('take a snapshot of a volume, or of several at one instant')
    .description(
      'Prints the name of the new snapshot, a line for each volume. Volumes that share a store ' +
        'are cut at one instant and get the same name. Of a group (--snap-dir, or VOLUME_SNAP is set and ' +
        'no volume is named) all are cut at one instant, and the one name is printed.',
    )
    .argument(
      '[volumes...]',
      'names, origins or mount points; default: the one around the working directory',
    )
    .addOption(snapDirOption())
    .option('-m, --memo <text>', 'a note that `bygone list` shows')
    .option('--tag <tag>', 'a name for it below .snapshots/; may be repeated', collect)
    .addHelpText(
      'after',
      `
Examples:
  bygone snapshot                            of the volume around the working directory
  bygone snapshot /srv/docs -m "before the upgrade" --tag before-upgrade
  bygone snapshot docs mail                  both at one instant, if they share a store`,
    )
    .action(snapshot)
}

function collect(tag: string, tags: string[] | undefined): string[] {
  return [...(tags ?? []), tag]
}

async function snapshot(volumes: string[], flags: SnapshotFlags): Promise<void> {
  const directory = groupMeant(flags.snapDir, volumes)
  if (directory !== undefined) {
    printLine(await snapshotGroup(groupAt(directory), flags.memo ?? '', flags.tag ?? []))
    return
  }
  const found: MountedVolumeFound[] = []
  try {
    // All are found before any is cut: a mistyped name takes no snapshot of the others.
    for (const volume of volumes.length === 0 ? [undefined] : volumes) {
      found.push(await findMounted(volume))
    }
    const names = new Map<string, string>()
    for (const [client, ids] of byStore(found)) {
      const cut = await client.request<'snapshot'>({
        command: 'snapshot',
        volumes: ids,
        memo: flags.memo ?? '',
        tags: flags.tag ?? [],
      })
      ids.forEach((id, at) => names.set(id, cut.names[at] ?? ''))
    }
    for (const { summary } of found) printLine(names.get(summary.id) ?? '')
  } finally {
    for (const { client } of found) client.close()
  }
}

/** One request a daemon, and each volume once. */
function byStore(found: readonly MountedVolumeFound[]): Map<ControlClient, string[]> {
  const clients = new Map<string, ControlClient>()
  const ids = new Map<ControlClient, string[]>()
  for (const { client, summary } of found) {
    const chosen = clients.get(summary.store) ?? client
    clients.set(summary.store, chosen)
    const known = ids.get(chosen) ?? []
    if (!known.includes(summary.id)) ids.set(chosen, [...known, summary.id])
  }
  return ids
}
