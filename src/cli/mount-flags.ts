import { type Command, Option } from 'commander'
import { durabilities, transports } from '../daemon/mount-order.js'
import type { Durability, Transport } from '../daemon/mount-order.js'
import type { LowWaterMark } from '../daemon/space.js'
import { parseLowWater } from './low-water.js'

/** How a volume is mounted, whichever command does it. */
export interface MountFlags {
  transport: Transport
  durability: Durability
  allowOther?: true
  suid?: true
  dev?: true
  lowWater?: LowWaterMark
}

/** Adds the options that MountFlags are read from. */
export function addMountFlags(command: Command): Command {
  return command
    .addOption(
      new Option('--transport <kind>', 'how to talk to the kernel')
        .choices(transports)
        .default('native'),
    )
    .addOption(
      new Option('--durability <kind>', 'strict: the past is on the disk before each change')
        .choices(durabilities)
        .default('ordered'),
    )
    .option('--allow-other', 'let other users in (root always does; see /etc/fuse.conf)')
    .option('--suid', 'let set-user-ID programs work (root only)')
    .option('--dev', 'let device files work (root only)')
    .option(
      '--low-water <size>',
      'warn when less than this is free on the disk of the store or origin, as in 5% or 2G; 0: never (default: 5% or 1G, whichever is less)',
      parseLowWater,
    )
}

/** As the daemon is told. */
export function mountManner(flags: MountFlags): {
  transport: Transport
  durability: Durability
  allowOther: boolean
  allowSuid: boolean
  allowDev: boolean
  lowWater: LowWaterMark | undefined
} {
  return {
    transport: flags.transport,
    durability: flags.durability,
    allowOther: flags.allowOther === true,
    allowSuid: flags.suid === true,
    allowDev: flags.dev === true,
    lowWater: flags.lowWater,
  }
}
