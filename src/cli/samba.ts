import { Command } from 'commander'
import type { SambaShare } from '../daemon/samba-share.js'
import { findShare } from '../daemon/share-finder.js'
import { printJson, printLine, printNote } from './output.js'

interface SambaFlags {
  share?: string
  json?: true
}

export function sambaCommand(): Command {
  return new Command('samba')
    .summary('print the share for smb.conf that shows snapshots as previous versions')
    .description(
      'Prints the section of smb.conf that shares a mounted volume, or a directory in it, with its ' +
        'snapshots as previous versions of every file. Changes nothing.',
    )
    .argument(
      '[volume]',
      'its name, origin or mount point, or a directory inside to share that alone; ' +
        'default: the volume around the working directory',
    )
    .option('--share <name>', "the share's name; default: the volume's or the directory's")
    .option('--json', 'as JSON, for programs')
    .addHelpText(
      'after',
      `
Examples:
  bygone samba /srv/docs                     the whole volume, as the share [docs]
  bygone samba /srv/docs/reports             that directory alone, as [reports]
  bygone samba docs --share archive >>/etc/samba/smb.conf && smbcontrol smbd reload-config`,
    )
    .action(samba)
}

async function samba(volume: string | undefined, flags: SambaFlags): Promise<void> {
  const { share, notes } = await findShare(volume, flags.share)
  if (flags.json === true) {
    printJson({ share: share.name, parameters: Object.fromEntries(share.parameters) })
  } else for (const line of sectionOf(share)) printLine(line)
  for (const note of notes) printNote(note)
}

/** The lines of smb.conf. */
export function sectionOf({ name, parameters }: SambaShare): string[] {
  return [
    `[${name}]`,
    '  # Keep shadow_copy2: without it a request for an old version reaches the live file.',
    ...parameters.map(([parameter, value]) => `  ${parameter} = ${value}`),
  ]
}
