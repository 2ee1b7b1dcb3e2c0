/** Bytes of the journal that nobody needs any more. */
export interface DeadRun {
  segment: number
  offset: number
  bytes: number
}

/** The same bytes in the order of the journal, with neighbours as one: only whole blocks can be given back. */
export function joined(runs: readonly DeadRun[]): DeadRun[] {
  const result: DeadRun[] = []
  const ordered = [...runs].sort((a, b) => a.segment - b.segment || a.offset - b.offset)
  for (const run of ordered) {
    const last = result.at(-1)
    const follows = last?.segment === run.segment && last.offset + last.bytes === run.offset
    if (last !== undefined && follows) last.bytes += run.bytes
    else result.push({ ...run })
  }
  return result
}
