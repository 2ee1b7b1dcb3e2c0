import { Option } from 'commander'
import { Failure } from '../base/failure.js'

/*
 * What docker-snap-volume takes from the environment: VOLUME_DATA, VOLUME_SNAP, SNAP_MAX, SNAP_CRON. An option or
 * argument counts more; an empty variable is none.
 */

export interface VolumeArgument {
  id: string
  path: string
}

export function variable(name: string): string | undefined {
  const value = process.env[name]
  return value === undefined || value === '' ? undefined : value
}

export function snapDirOption(): Option {
  return new Option(
    '--snap-dir <dir>',
    'of the volumes that `bygone start` keeps with this directory (default: $VOLUME_SNAP)',
  )
}

/**
 * The directory of the group that is meant; undefined: a volume is. One that is named counts more than the environment,
 * which says what is meant when nothing is.
 */
export function groupMeant(
  snapDir: string | undefined,
  volumes: readonly unknown[],
): string | undefined {
  if (volumes.length === 0) return snapDir ?? variable('VOLUME_SNAP')
  if (snapDir === undefined) return undefined
  throw new Failure('usage', '--snap-dir means all volumes of a group: leave the volume out')
}

/** `docs:/srv/docs`; only the first colon separates. */
export function volumeArgument(text: string): VolumeArgument {
  const at = text.indexOf(':')
  const [id, path] = [text.slice(0, at), text.slice(at + 1)]
  if (at > 0 && path !== '') return { id, path }
  throw new Failure(
    'usage',
    `'${text}' is not ID:PATH, such as docs:/srv/docs: name each volume so`,
  )
}

/** VOLUME_DATA: volumes with commas between them; a comma or backslash in a path has a backslash before it. */
export function volumeArguments(text: string): VolumeArgument[] {
  const parts = text.match(/(?:\\.|[^,\\])+/gs) ?? []
  return parts.map((part) => volumeArgument(part.replace(/\\(.)/gs, '$1')))
}

/** `--max` or SNAP_MAX; null: any number. */
export function snapshotsMaxGiven(option: string | undefined): number | null | undefined {
  const [text, name] = option === undefined ? [variable('SNAP_MAX'), 'SNAP_MAX'] : [option, '--max']
  if (text === undefined) return undefined
  if (text === 'none') return null
  if (/^\d{1,9}$/.test(text) && Number(text) > 0) return Number(text)
  const why = Number(text) === 0 ? ': it would delete every snapshot' : ''
  throw new Failure('usage', `${name} is '${text}'${why}; give 1 or more, or none to keep all`)
}

/** `--cron` or SNAP_CRON; null: none are taken by themselves. */
export function cronGiven(option: string | undefined): string | null | undefined {
  const text = option ?? variable('SNAP_CRON')
  return text === 'none' ? null : text
}
