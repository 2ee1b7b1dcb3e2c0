import { Command } from 'commander'
import { Failure } from '../base/failure.js'
import type {
  CheckHead,
  CheckOutcome,
  CheckSink,
  FileProblem,
  StoreFinding,
} from '../daemon/check-report.js'
import { CheckJson } from './check-json.js'
import { countOf, findingLines, problemLines, repairLines, summaryLine } from './check-text.js'
import { inOneLine, printLine, printNote } from './output.js'
import { checkQuickly, quickHelp, quickOptions } from './quick-check.js'
import type { QuickFlags } from './quick-check.js'
import { ProgressBar } from './progress-bar.js'

interface CheckFlags {
  data?: true
  repair?: true
  json?: true
  quick?: true
}

export function checkCommand(): Command {
  const command = new Command('check')
    .summary("see whether a volume's past is whole")
    .description(
      'Looks over the store and the origin of a volume that is not mounted, and names each file of ' +
        'which snapshots have lost something, with the snapshots and the bytes. Reading what is ' +
        'lost is an I/O error; everything else can be read. Changes nothing without --repair.',
    )
    .argument('[volume]', 'its origin, or any path inside; default: the one around here')
    .option('--data', 'read every preserved byte too, not only what tells where they are')
    .option('--repair', 'make the rest consistent again first; what it replaces is kept')
    .option('--json', 'as JSON, for programs')
    .addHelpText(
      'after',
      `
Exit codes: 0 all is well, 2 something is lost or damaged, 1 it could not be checked.
${quickHelp}

Examples:
  bygone check /srv/docs
  bygone check /srv/docs --repair
  bygone check /srv/docs --data --json | jq -r '.files[].path'
  bygone check --quick /srv/docs
  bygone check --quick --all --on-fail https://example.org/alerts`,
    )
    .action(check)
  for (const option of quickOptions()) command.addOption(option)
  return command
}

async function check(volume: string | undefined, flags: CheckFlags & QuickFlags): Promise<void> {
  if (flags.quick === true) await checkQuickly(volume, flags)
  if (quickFlags.some((flag) => flag in flags)) {
    throw new Failure('usage', '--all, --timeout and --on-fail go with --quick: give that too')
  }
  const report = flags.json === true ? new JsonReport() : new TextReport()
  const options = { data: flags.data === true, repair: flags.repair === true }
  // Much of the store and the volume: other commands shall not wait for it to load.
  const { check: checkVolume } = await import('../daemon/check.js')
  const outcome = await checkVolume(volume, options, report)
  report.end(outcome)
  const { damages, files } = report
  if (damages + files === 0) return
  const what = [
    ...(damages > 0 ? [`${countOf(damages, 'damage')} in the store`] : []),
    ...(files > 0 ? [`${countOf(files, 'loss')} in snapshots`] : []),
  ].join(' and ')
  throw new Failure(
    'damaged',
    `${what.replace('losss', 'losses')}; reading what is lost is an I/O error`,
  )
}

const quickFlags = ['all', 'timeout', 'onFail']

abstract class Report implements CheckSink {
  readonly bar = new ProgressBar()
  head: CheckHead | undefined
  damages = 0
  files = 0

  abstract begin(head: CheckHead): void
  abstract repaired(line: string): void
  abstract problem(problem: FileProblem): void
  abstract end(outcome: CheckOutcome): void

  finding(finding: StoreFinding): void {
    if (finding.severity === 'damage') this.damages++
  }

  countProblem(): void {
    this.files++
  }

  progress(what: string, done: number, all: number): void {
    this.bar.show(what, done, all)
  }
}

class TextReport extends Report {
  begin(head: CheckHead): void {
    this.head = head
  }

  repaired(line: string): void {
    this.#print(repairLines(line))
  }

  override finding(finding: StoreFinding): void {
    super.finding(finding)
    this.#print(findingLines(finding))
  }

  problem(problem: FileProblem): void {
    this.countProblem()
    this.#print(problemLines(problem))
  }

  end({ counts, unchecked }: CheckOutcome): void {
    const lines = unchecked.map((what) => `not looked at: ${inOneLine(what)}`)
    if (this.head !== undefined) lines.push(summaryLine(this.head, counts))
    this.#print(lines)
  }

  #print(lines: readonly string[]): void {
    this.bar.clear()
    for (const line of lines) printLine(line)
  }
}

class JsonReport extends Report {
  readonly #json = new CheckJson((text) => {
    this.bar.clear()
    process.stdout.write(text)
  })
  readonly #findings: StoreFinding[] = []
  readonly #repaired: string[] = []

  begin(head: CheckHead): void {
    this.#json.begin(head)
  }

  repaired(line: string): void {
    this.#repaired.push(line)
  }

  override finding(finding: StoreFinding): void {
    super.finding(finding)
    this.#findings.push(finding)
  }

  problem(problem: FileProblem): void {
    this.countProblem()
    this.#json.problem(problem)
  }

  end(outcome: CheckOutcome): void {
    this.#json.end(outcome, this.#repaired, this.#findings, this.damages + this.files === 0)
    for (const what of outcome.unchecked) printNote(`not looked at: ${what}`)
  }
}
