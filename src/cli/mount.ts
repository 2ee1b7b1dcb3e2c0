import { Command } from 'commander'
import { Failure } from '../base/failure.js'
import { native } from '../base/native.js'
import { requestMount } from '../daemon/mount-request.js'
import type { MountRequest } from '../daemon/mount-request.js'
import { parseChunkSize } from './chunk-size.js'
import { addMountFlags, mountManner, type MountFlags } from './mount-flags.js'
import { printNote } from './output.js'

interface Flags extends MountFlags {
  store?: string
  name?: string
  chunkSize?: number
  foreground?: true
}

export function mountCommand(): Command {
  const command = new Command('mount')
    .summary('mount a directory so that it can be snapshotted')
    .description(
      'Mounts the directory ORIGIN over itself, or on the empty directory MOUNTPOINT. The ' +
        'first time makes the volume and its store. Returns when the mount works.',
    )
    .argument('<origin>', 'the directory whose past is to be kept')
    .argument('[mountpoint]', 'where to show it; default: over the origin itself')
    .option('--store <dir>', 'where to keep the past; default: ORIGIN/.bygone/store')
    .option('--name <name>', "the volume's name; default: the last part of ORIGIN")
    .option(
      '--chunk-size <size>',
      'unit of copy-on-write, a power of two from 4K to 4M; first time only (default: 64K)',
      parseChunkSize,
    )
  return addMountFlags(command)
    .option('--foreground', 'stay, and log to stderr, until it is unmounted')
    .addHelpText(
      'after',
      `
Examples:
  bygone mount /srv/docs                     over itself; its past goes to /srv/docs/.bygone
  bygone mount /srv/docs /mnt/docs           the origin stays reachable beside the mount
  bygone mount ~/work --store /backup/past   the past on another disk
  bygone mount /srv/vms --chunk-size 1M --durability strict`,
    )
    .action(mount)
}

async function mount(origin: string, mountPoint: string | undefined, flags: Flags): Promise<void> {
  const request: MountRequest = {
    origin,
    mountPoint,
    store: flags.store,
    name: flags.name,
    chunkBytes: flags.chunkSize,
    ...mountManner(flags),
  }
  if (flags.foreground === true) {
    // The whole daemon: other commands, which need none of it, shall not wait for it to load.
    const { mountInForeground } = await import('../daemon/foreground.js')
    const isClean = await mountInForeground(native(), request, printNote)
    if (!isClean) throw new Failure('failed', 'a volume ended with a failure: see the lines above')
    return
  }
  const report = await requestMount(native(), request)
  for (const note of report.notes) printNote(note)
}
