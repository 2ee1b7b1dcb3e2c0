import { Option, InvalidArgumentError } from 'commander'
import { Failure } from '../base/failure.js'
import { sendAlert } from '../daemon/alert.js'
import { healthLevels, severity, unhealthy, worstOf } from '../daemon/health.js'
import type { Health, HealthLevel } from '../daemon/health.js'
import { quickCheck, quickCheckAll } from '../daemon/quick-check.js'
import { ExitCode } from './exit-code.js'
import { inOneLine, printJson, printLine, printNote } from './output.js'

const timeoutSecDefault = 10

export interface QuickFlags {
  all?: true
  timeout?: number
  onFail?: string
  json?: true
}

export const quickOptions = (): Option[] => [
  new Option(
    '--quick',
    'look at how it is doing only, mounted or not: one line and an exit code for a monitor',
  ).conflicts(['data', 'repair']),
  new Option('-a, --all', 'with --quick: all volumes that are mounted, and those in their stores'),
  new Option(
    '--timeout <seconds>',
    `with --quick: who has not answered by then is in trouble (default: ${timeoutSecDefault})`,
  ).argParser(seconds),
  new Option(
    '--on-fail <target>',
    'with --quick, if not all is well: a URL to POST that to, or a program to run with it',
  ),
]

export const quickHelp = `
With --quick the exit codes are those of monitoring plugins: 0 OK; 1 WARNING: a disk is nearly full, a
scheduled snapshot has failed, or the volume is not mounted although it has schedules; 2 CRITICAL: the
newest snapshot is older than one and a half of the time between two runs, a disk is full, or
the daemon is gone or does not answer; 3 UNKNOWN: there is no such volume, or it may not be asked.`

/** Never throws Failure: a monitor reads one line, and the code. */
export async function checkQuickly(volume: string | undefined, flags: QuickFlags): Promise<never> {
  const msMax = (flags.timeout ?? timeoutSecDefault) * 1000
  const timeout = new AbortController()
  const late = new Promise<Health[]>((resolve) => {
    const timer = setTimeout(() => {
      const text = `no answer within ${msMax / 1000} s`
      resolve([unhealthy(volume ?? 'bygone', 'critical', text)])
    }, msMax)
    timeout.signal.onabort = () => {
      clearTimeout(timer)
    }
  })
  const looking = flags.all === true ? quickCheckAll() : quickCheck(volume).then((each) => [each])
  const found = await Promise.race([looking, late])
  timeout.abort()
  const level = worstOf(found.map((each) => each.level))
  const line = inOneLine(lineOf(level, found))
  if (flags.json === true) printJson(formOf(level, found))
  else printLine(`${line}${figuresOf(found)}`)
  if (level !== 'ok' && flags.onFail !== undefined) await tell(flags.onFail, level, line)
  throw new ExitCode(healthLevels.indexOf(level))
}

async function tell(target: string, level: HealthLevel, message: string): Promise<void> {
  try {
    await sendAlert(target, { state: level.toUpperCase(), message })
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    printNote(error.message)
  }
}

/** `CRITICAL - docs: the newest …; mail: …`: those in trouble first. */
export function lineOf(level: HealthLevel, found: readonly Health[]): string {
  const well = found.filter((each) => each.level === 'ok')
  const troubled = found
    .filter((each) => each.level !== 'ok')
    .sort((a, b) => severity(b.level) - severity(a.level))
  const parts = troubled.map(
    ({ volume, findings }) => `${volume}: ${findings.map(({ text }) => text).join(', ')}`,
  )
  if (troubled.length === 0) parts.push(...well.map((each) => `${each.volume}: ${each.summary}`))
  else if (well.length > 0) parts.push(`${well.length} more OK`)
  if (found.length === 0) parts.push('no volume is mounted')
  return `${level.toUpperCase()} - ${parts.join('; ')}`
}

/** As monitoring plugins give them, of one volume: ` | age=600s;;5400 snapshots=12 …`. */
function figuresOf(found: readonly Health[]): string {
  const [health] = found
  if (health === undefined || found.length > 1) return ''
  const { age, ageMax, snapshots, storeFree, originFree } = health.figures
  const figures = [
    age === undefined ? '' : `age=${age}s;;${ageMax ?? ''}`.replace(/;+$/, ''),
    snapshots === undefined ? '' : `snapshots=${snapshots}`,
    storeFree === undefined ? '' : `store_free=${storeFree}B`,
    originFree === undefined ? '' : `origin_free=${originFree}B`,
  ].filter((figure) => figure !== '')
  return figures.length === 0 ? '' : ` | ${figures.join(' ')}`
}

function formOf(level: HealthLevel, found: readonly Health[]) {
  return { format: 'bygone-health', version: 1, state: level.toUpperCase(), volumes: found }
}

function seconds(text: string): number {
  if (/^\d{1,4}$/.test(text) && Number(text) > 0) return Number(text)
  throw new InvalidArgumentError('it must be a number of seconds, 1 to 9999.')
}
