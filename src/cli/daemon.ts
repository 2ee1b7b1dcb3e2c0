import { Command, InvalidArgumentError } from 'commander'
import { resolve } from 'node:path'
import { Failure } from '../base/failure.js'
import { native } from '../base/native.js'
import { serviceManagerOf } from '../daemon/service-manager.js'
import { serveStore } from '../daemon/store-service.js'
import { addMountFlags, mountManner, type MountFlags } from './mount-flags.js'
import { printNote } from './output.js'

interface NamedVolume {
  name: string
  mountPoint: string | undefined
}

export function daemonCommand(): Command {
  const command = new Command('daemon')
    .summary('mount and serve volumes in the foreground, for systemd and containers')
    .description(
      'Mounts the volumes of the store PATH, or the one volume whose origin PATH is, and serves them until ' +
        'SIGTERM or SIGINT, which unmounts them. They must have been mounted once by `bygone mount`. What it does ' +
        'goes to stderr, a line each. A volume that can not be mounted keeps no other from it, but makes ' +
        'the exit code 1 in the end. It tells systemd when it is ready (Type=notify), and that it lives.',
    )
    .argument('<path>', 'a store, or the origin of one volume')
    .argument(
      '[volumes...]',
      'of a store only these, by name; NAME=DIR has a mount point of its own, others are mounted over ' +
        'themselves',
      namedVolume,
    )
  return addMountFlags(command)
    .addHelpText(
      'after',
      `
Examples:
  bygone daemon /srv/docs                    the volume of that directory
  bygone daemon /backup/past                 all volumes of a store
  bygone daemon /backup/past docs mail=/mnt/mail --durability strict
  systemctl enable --now bygone@$(systemd-escape -p /srv/docs)     see scripts/systemd`,
    )
    .action(daemon)
}

async function daemon(path: string, volumes: NamedVolume[], flags: MountFlags): Promise<void> {
  const manager = serviceManagerOf(process.env, native())
  const request = { path: resolve(path), volumes, how: mountManner(flags) }
  // Nothing of the caller's is to be kept in use.
  process.chdir('/')
  const isClean = await serveStore(native(), request, manager, printNote)
  if (!isClean) throw new Failure('failed', 'not all went well: see the lines above')
}

function namedVolume(text: string, before: NamedVolume[] | undefined): NamedVolume[] {
  const [, name, directory] = /^([^=]+)(?:=(.+))?$/s.exec(text) ?? []
  if (name === undefined) throw new InvalidArgumentError('it must be NAME, or NAME=DIR.')
  const mountPoint = directory === undefined ? undefined : resolve(directory)
  return [...(before ?? []), { name, mountPoint }]
}
