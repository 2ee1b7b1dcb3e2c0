import { bytesOf, textOf, type ByteString } from '../base/bytes.js'
import type { CheckHead, CheckOutcome, FileProblem, StoreFinding } from '../daemon/check-report.js'

/** The schema is in README.md; a change that takes something away, or gives it another meaning, is a new version. */
const format = 'bygone-check'
const version = 1

/** Writes the report as it comes: files may be many. */
export class CheckJson {
  readonly #write: (text: string) => void
  #isFirst = true

  constructor(write: (text: string) => void) {
    this.#write = write
  }

  begin(head: CheckHead): void {
    const { mounted, data, ...volume } = head
    const fields = { format, version, volume, mounted, data }
    this.#write(`${JSON.stringify(fields, undefined, 2).slice(0, -2)},\n  "files": [`)
  }

  problem({ kind, path, snapshots, lost }: FileProblem): void {
    const ranges = typeof lost === 'string' ? null : lost
    const what = typeof lost === 'string' ? lost : 'bytes'
    const fields = { ...pathFields(path), kind, lost: what, ranges, snapshots }
    this.#write(`${this.#isFirst ? '' : ','}\n    ${JSON.stringify(fields)}`)
    this.#isFirst = false
  }

  end(
    outcome: CheckOutcome,
    repaired: readonly string[],
    findings: readonly StoreFinding[],
    isClean: boolean,
  ): void {
    const store = findings.map(({ range, ...finding }) => ({ ...finding, range: range ?? null }))
    const { counts, unchecked } = outcome
    const rest = JSON.stringify(
      { repaired, store, counts, unchecked, clean: isClean },
      undefined,
      2,
    )
    this.#write(`${this.#isFirst ? '' : '\n  '}],\n${rest.slice(2)}\n`)
  }
}

/** A name that is no UTF-8 is told exactly too. */
function pathFields(path: ByteString): { path: string; pathBase64?: string } {
  const text = textOf(path)
  if (Buffer.from(text, 'utf8').equals(bytesOf(path))) return { path: text }
  return { path: text, pathBase64: bytesOf(path).toString('base64') }
}
