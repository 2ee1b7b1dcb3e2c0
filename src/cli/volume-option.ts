import { Argument, Option } from 'commander'
import type { Command } from 'commander'
import { Failure } from '../base/failure.js'

const which = 'its name, origin or mount point; default: the one around the working directory'

/** Of commands that are about one volume. */
export function volumeArgument(): Argument {
  return new Argument('[volume]', which)
}

/** Of commands whose arguments are something else: snapshots, say. */
export function volumeOption(): Option {
  return new Option('-V, --volume <volume>', which)
}

export const revHelp = `
REV names snapshots: @GMT-…, a tag, latest, first, N (0 is the newest), a time (yesterday,
2 hours ago, 2026-11-20T18:00+09:00: the newest at or before it), or an expression: 5..1,
yesterday.., tag:daily, all, held, not(…), reverse(…), first(…), last(…), "A & B", "A, B". The
README has all of it.`

/**
 * The one rule: -V names the volume of every command that is about volumes. Those that take it as an argument get the option
 * here, which says the same; what follows the volume comes first then.
 */
export function nameVolumeByOption(command: Command): void {
  const [first, ...others] = command.registeredArguments
  if (first === undefined || !['volume', 'volumes'].includes(first.name())) return
  command.addOption(volumeOption())
  command.hook('preAction', (_, { processedArgs }) => {
    const { volume } = command.opts<{ volume?: string }>()
    if (volume === undefined) return
    const given = processedArgs.flat().filter((word: unknown) => word !== undefined) as string[]
    if (others.length === 0 && given.length > 0) {
      throw new Failure(
        'usage',
        `the volume is named twice, ${given[0]} and ${volume}: name it once`,
      )
    }
    processedArgs[0] = first.variadic ? [volume] : volume
    if (others.length > 0) processedArgs[1] = given
  })
}
