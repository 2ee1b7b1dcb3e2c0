import { statfs } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { byteSizeText } from '../base/byte-size.js'

/** What a file system has, and what of it an ordinary user may still take. */
export interface Space {
  bytes: number
  bytesFree: number
  /** Inodes; 0 where the file system makes them as they are needed. */
  files: number
  filesFree: number
}

/** Below this much free space people are warned. */
export type LowWaterMark = { percent: number } | { bytes: number }

const percentDefault = 5
const bytesDefaultMax = 1024 ** 3
const filesMarkMax = 10_000

/** A dead server or disk may never answer. */
const answerMsMax = 2000

/** Asks for the space of one place, and never twice while it has not answered: each question holds a thread. */
export class SpaceProbe {
  readonly #path: string
  #asked: Promise<Space | undefined> | undefined

  constructor(path: string) {
    this.#path = path
  }

  /** Undefined if the file system does not say so within two seconds. */
  async ask(): Promise<Space | undefined> {
    this.#asked ??= spaceOf(this.#path).finally(() => {
      this.#asked = undefined
    })
    const timeout = new AbortController()
    const late = sleep(answerMsMax, undefined, { signal: timeout.signal }).catch(() => undefined)
    try {
      return await Promise.race([this.#asked, late])
    } finally {
      timeout.abort()
    }
  }
}

async function spaceOf(path: string): Promise<Space | undefined> {
  try {
    const { blocks, bavail, bsize, files, ffree } = await statfs(path)
    return { bytes: blocks * bsize, bytesFree: bavail * bsize, files, filesFree: ffree }
  } catch {
    return undefined
  }
}

/** The mark in bytes on that file system. By default 5 % of it or 1 GiB, whichever is less. */
export function lowWaterBytes(space: Space, mark: LowWaterMark | undefined): number {
  if (mark !== undefined && 'bytes' in mark) return mark.bytes
  if (mark !== undefined) return Math.floor((space.bytes * mark.percent) / 100)
  return Math.min(Math.floor((space.bytes * percentDefault) / 100), bytesDefaultMax)
}

/** What there is too little of: '12 MiB of 2.0 GiB free'. `factor`: of the mark. */
export function shortageOf(
  space: Space,
  mark: LowWaterMark | undefined,
  factor = 1,
): string | undefined {
  const marked = lowWaterBytes(space, mark)
  if (marked === 0) return undefined
  if (space.bytesFree < marked * factor) {
    return `${byteSizeText(space.bytesFree)} of ${byteSizeText(space.bytes)} free`
  }
  const percent = mark !== undefined && 'percent' in mark ? mark.percent : percentDefault
  const filesMark = Math.min((space.files * percent) / 100, filesMarkMax)
  if (space.filesFree < filesMark * factor) {
    return `${space.filesFree} of ${space.files} inodes free`
  }
  return undefined
}
