import { Argument, Option } from 'commander'

const which = 'its name, origin or mount point; default: the one around the working directory'

/** Of commands that are about one volume. */
export function volumeArgument(): Argument {
  return new Argument('[volume]', which)
}

/** Of commands whose arguments are snapshots. */
export function volumeOption(): Option {
  return new Option('-V, --volume <volume>', which)
}

export const revHelp = `
REV names snapshots: @GMT-…, a tag, latest, first, N (0 is the newest), a time (yesterday,
2 hours ago, 2026-11-20T18:00+09:00: the newest at or before it), or an expression: 5..1,
yesterday.., tag:daily, all, held, not(…), reverse(…), first(…), last(…), "A & B", "A, B". The
README has all of it.`
