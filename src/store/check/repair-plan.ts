import { join } from 'node:path'
import { Failure } from '../../base/failure.js'
import type { Label } from '../../base/ids.js'
import type { Disk } from '../disk.js'
import { putFile, readWholeFile } from '../durable-file.js'
import { jsonBytes } from '../durable-json-file.js'
import { labelMax } from '../element-keys.js'
import { FieldCheck, FieldError } from '../field-check.js'
import { instantOfText, instantText, isInstantText } from '../instant-text.js'
import { arePutsSound } from '../puts.js'
import { repairPlanFile } from '../volume-store.js'
import type { LostTime } from './lost-times.js'

const format = 'bygone-repair'
const version = 1
const putsFile = 'repair.puts'

/** What a repair knows and no file says any more once it has begun: while it lies there, nobody else opens the volume. */
export interface RepairPlan {
  readonly lost: readonly LostTime[]
  /** A run of puts (puts.ts) that the journal has lost and the index still had. */
  readonly puts: Buffer
}

export function readRepairPlan(disk: Disk, directory: string): RepairPlan | undefined {
  const bytes = readWholeFile(disk, join(directory, repairPlanFile))
  if (bytes === undefined) return undefined
  const puts = readWholeFile(disk, join(directory, putsFile)) ?? Buffer.alloc(0)
  try {
    if (!arePutsSound(puts, 0, puts.length)) throw new FieldError(`${putsFile} is no run of puts`)
    return { lost: checkedPlan(JSON.parse(bytes.toString('utf8'))), puts }
  } catch (error) {
    if (!(error instanceof FieldError || error instanceof SyntaxError)) throw error
    const advice = 'restore the volume from a copy, with what lies in damaged/'
    const path = join(directory, repairPlanFile)
    throw new Failure('damaged', `damaged ${path}: ${error.message}; ${advice}`)
  }
}

/** Durable when it returns. */
export function writeRepairPlan(disk: Disk, directory: string, plan: RepairPlan): void {
  putFile(disk, directory, putsFile, plan.puts)
  const lost = plan.lost.map(({ start, end, labelFirst, labelLast }) => ({
    start: instantText(start),
    end: instantText(end),
    labelFirst,
    labelLast,
  }))
  putFile(disk, directory, repairPlanFile, jsonBytes({ format, version, lost }))
}

export function removeRepairPlan(disk: Disk, directory: string): void {
  disk.remove(join(directory, repairPlanFile))
  disk.syncDirectory(directory)
  disk.remove(join(directory, putsFile))
}

function checkedPlan(data: unknown): LostTime[] {
  const fields = new FieldCheck('', data)
  fields.text('format', (text) => text === format)
  fields.integer('version', version, version)
  const lost = fields.list('lost', (where, value) => {
    const time = new FieldCheck(where, value)
    const start = instantOfText(time.text('start', isInstantText))
    const end = instantOfText(time.text('end', isInstantText))
    const labelFirst = time.integer('labelFirst', 1, labelMax) as Label
    const labelLast = time.integer('labelLast', labelFirst, labelMax) as Label
    time.end()
    return { start, end, labelFirst, labelLast }
  })
  fields.end()
  return lost
}
