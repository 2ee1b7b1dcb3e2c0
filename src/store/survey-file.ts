import { join } from 'node:path'
import type { Label } from '../base/ids.js'
import type { Disk } from './disk.js'
import { codeOf, readWholeFile } from './durable-file.js'
import { FieldCheck, FieldError } from './field-check.js'
import { readIndexState, surveyName } from './index-state.js'
import type { SpaceEntry } from './space-use.js'

/*
 * index/survey.json, drawn in FORMAT.md: what the last whole pass over all that is kept has found, so that it can be told
 * of a volume that is not mounted. Derived, as the index is: never synced, and nobody misses it.
 */

const format = 'bygone-survey'
const version = 1
/** Written while requests wait: some milliseconds. A thousand snapshots of a lively volume have some thousands. */
const entriesMax = 10_000

export interface StoredSurvey {
  /** The number of the journal's last record when that was so. */
  sequence: number
  /** The snapshots that there were at the end, oldest first: what the indices in `entries` stand for. */
  labels: readonly Label[]
  /** So many of them when it began. */
  countAtStart: number
  entries: readonly SpaceEntry[]
}

/** `directory`: of the index. A disk that does not take it is no failure. */
export function writeSurvey(disk: Disk, directory: string, survey: StoredSurvey): void {
  const path = join(directory, surveyName)
  if (survey.entries.length > entriesMax) return
  try {
    disk.remove(`${path}.new`)
    const fd = disk.open(`${path}.new`, 'make new')
    try {
      disk.write(fd, Buffer.from(`${JSON.stringify({ format, version, ...survey })}\n`), 0)
    } finally {
      disk.close(fd)
    }
    disk.rename(`${path}.new`, path)
  } catch (error) {
    if (codeOf(error) === undefined) throw error
  }
}

/** Undefined: there is none that can be believed. `isCurrent`: nothing has been kept since. */
export function readSurvey(
  disk: Disk,
  directory: string,
): { survey: StoredSurvey; isCurrent: boolean } | undefined {
  try {
    const bytes = readWholeFile(disk, join(directory, surveyName))
    if (bytes === undefined) return undefined
    const survey = checkedSurvey(JSON.parse(bytes.toString('utf8')))
    const closed = readIndexState(disk, directory)?.closed
    return { survey, isCurrent: closed?.endSequence === survey.sequence }
  } catch (error) {
    // What a power failure has left of it.
    if (error instanceof FieldError || error instanceof SyntaxError) return undefined
    throw error
  }
}

function checkedSurvey(data: unknown): StoredSurvey {
  const fields = new FieldCheck('', data)
  fields.text('format', (text) => text === format)
  fields.integer('version', version, version)
  const sequence = fields.integer('sequence', 0)
  const labels = fields.list('labels', numberOf) as Label[]
  const countAtStart = fields.integer('countAtStart', 0, labels.length)
  const entries = fields.list('entries', (where, value): SpaceEntry => {
    if (!Array.isArray(value) || value.length !== 4) throw new FieldError(`${where} is wrong`)
    const [first = 0, end = 0, bytes = 0, elements = 0] = value.map((each) => numberOf(where, each))
    if (first >= end || end > labels.length) throw new FieldError(`${where} is wrong`)
    return [first, end, bytes, elements]
  })
  fields.end()
  return { sequence, labels, countAtStart, entries }
}

function numberOf(where: string, value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw new FieldError(`${where} is wrong`)
}
