import type { Command } from 'commander'
import type { SnapshotSummary } from '../../daemon/control-protocol.js'
import { listVolumes, volumePast, withVolume } from '../../daemon/listing.js'
import type { VolumePast } from '../../daemon/listing.js'
import { when } from '../when.js'
import { directories } from './directories.js'
import { commandsOf, optionsOf, placeOf } from './place.js'
import type { Place, Value } from './place.js'

/** What a word could become. */
export interface Candidate {
  /** The whole word. */
  value: string
  description: string
}

/** Whether more of the same word may follow: no blank is to be set behind it. */
export function isOpen({ value }: Candidate): boolean {
  return /[/:(=]$/.test(value)
}

/** What the last of `words`, those behind the program's name, could become. */
export async function candidatesFor(
  program: Command,
  words: readonly string[],
): Promise<Candidate[]> {
  const place = placeOf(program, words)
  const { typed, before } = place
  const found = await candidatesAt(place, program)
  return found
    .filter(({ value }) => value.startsWith(typed) && !hasControls(value))
    .map(({ value, description }) => ({ value: before + value, description }))
}

async function candidatesAt(place: Place, program: Command): Promise<Candidate[]> {
  const { wanted, command, typed } = place
  if (wanted === undefined) return []
  if (wanted === 'command') return commandCandidates(command)
  if (wanted === 'option') {
    return optionsOf(command).flatMap(({ long, short, description }) => {
      // Short ones for who has typed one dash only: they say less.
      const names = typed.startsWith('--') ? [long] : [long, short]
      return names.flatMap((name) => (name === undefined ? [] : [{ value: name, description }]))
    })
  }
  if (wanted.choices !== undefined) return plain(wanted.choices)
  const source = sources[wanted.name]
  return source === undefined ? [] : source(place, program)
}

type Source = (place: Place, program: Command) => Promise<Candidate[]> | Candidate[]

/** By the name that a value has in the usage. Of others nobody but the user knows what they may be. */
const sources: Partial<Record<Value['name'], Source>> = {
  volume: volumes,
  volumes,
  rev: async ({ volume, typed }) => revisions((await pastOf(volume)).snapshots, typed),
  tags: async ({ volume, typed }) => {
    const head = headOf(typed, /^.*,/s)
    const { snapshots, policy } = await pastOf(volume)
    const rules = policy?.tags.map(({ tag }) => tag) ?? []
    return plain([...tagsOf(snapshots), ...rules, 'manual:'].map((tag) => head + tag))
  },
  tag: async ({ volume }) => {
    const { policy } = await pastOf(volume)
    return plain([...(policy?.tags.map(({ tag }) => tag) ?? []), 'manual:'])
  },
  command: (_place, program) => commandCandidates(program),
  origin: ({ typed }) => directories(typed),
  mountpoint: ({ typed }) => directories(typed),
  dir: ({ typed }) => directories(typed),
}

async function volumes({ typed }: Place): Promise<Candidate[]> {
  const paths = directories(typed)
  if (typed.includes('/')) return paths
  const known = await listVolumes()
  const named = known.map(({ name, origin }) => ({ value: name, description: origin }))
  return unique([...named, ...paths])
}

/** Of a REV the last word is completed. */
function revisions(snapshots: readonly SnapshotSummary[], typed: string): Candidate[] {
  const head = headOf(typed, /^.*(?:\.\.|[,&(])\s*/s)
  const byName = snapshots
    .map(({ name, timeSec, memo }) => ({ value: name, description: `${when(timeSec)} ${memo}` }))
    .reverse()
  const tags = tagsOf(snapshots)
  const isTag = typed.startsWith('tag:', head.length)
  const found = isTag
    ? plain(tags.map((tag) => `tag:${tag}`))
    : unique([...tags.map((value) => ({ value, description: 'tag' })), ...keywords, ...byName])
  return found.map(({ value, description }) => ({
    value: head + value,
    description: description.trim(),
  }))
}

const keywords: readonly Candidate[] = [
  { value: 'latest', description: 'the newest' },
  { value: 'first', description: 'the oldest' },
  { value: 'all', description: 'every snapshot' },
  { value: 'held', description: 'those that are held' },
  { value: 'yesterday', description: 'the newest that is as old' },
  { value: 'tag:', description: 'all with that tag' },
  { value: 'not(', description: 'all others' },
]

function tagsOf(snapshots: readonly SnapshotSummary[]): string[] {
  return [...new Set(snapshots.flatMap(({ tags }) => tags))]
}

function commandCandidates(command: Command): Candidate[] {
  return commandsOf(command).map((each) => ({
    value: each.name(),
    description: each.summary() || each.description(),
  }))
}

function plain(values: readonly string[]): Candidate[] {
  return unique(values.map((value) => ({ value, description: '' })))
}

function unique(candidates: readonly Candidate[]): Candidate[] {
  const byValue = new Map<string, Candidate>()
  for (const each of candidates) if (!byValue.has(each.value)) byValue.set(each.value, each)
  return [...byValue.values()]
}

/** What of a word stays as it is typed. */
function headOf(typed: string, pattern: RegExp): string {
  return pattern.exec(typed)?.[0] ?? ''
}

function pastOf(volume: string | undefined): Promise<VolumePast> {
  return withVolume(volume, volumePast)
}

/** A line must stay one, on its way to the shell too. */
function hasControls(value: string): boolean {
  return /\p{Cc}/u.test(value)
}
