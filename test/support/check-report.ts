import type { TestVolume } from './test-volume.js'

export interface CheckedFile {
  path: string
  pathBase64?: string
  kind: 'changed' | 'gone' | 'damaged'
  lost: 'everything' | 'names' | 'bytes'
  ranges: { start: number; end: number }[] | null
  snapshots: string[]
}

export interface CheckedStore {
  severity: 'damage' | 'note'
  kind: string
  file: string
  range: { start: number; end: number } | null
  text: string
}

/** What `bygone check --json` prints. */
export interface CheckReport {
  format: string
  version: number
  mounted: boolean
  clean: boolean
  files: CheckedFile[]
  store: CheckedStore[]
  unchecked: string[]
  counts: Record<string, number>
}

/** Checks a volume that is not mounted. */
export async function checkReport(
  volume: TestVolume,
  ...flags: string[]
): Promise<{ code: number | null; stderr: string; report: CheckReport }> {
  const { code, stdout, stderr } = await volume.bygone('check', '--json', volume.origin, ...flags)
  if (stdout === '') throw new Error(`bygone check: ${stderr}`)
  return { code, stderr, report: JSON.parse(stdout) as CheckReport }
}
