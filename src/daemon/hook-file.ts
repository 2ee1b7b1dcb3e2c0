import { fstatSync, lstatSync, mkdirSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'
import { Failure } from '../base/failure.js'
import { codeOf, putFile, readAll } from '../store/durable-file.js'
import { jsonBytes } from '../store/durable-json-file.js'
import { FieldCheck, FieldError } from '../store/field-check.js'
import { realDisk } from '../store/real-disk.js'

/*
 * Which commands run before and after each snapshot of a volume. They are kept with the machine and not in the store: a
 * store may come from elsewhere, on a disk that somebody plugs in, and must not bring commands for root to execute.
 */

export const hookPoints = ['pre', 'post'] as const
export type HookPoint = (typeof hookPoints)[number]

export interface Hook {
  /** The program's absolute path, and its arguments: no shell reads them. */
  command: string[]
  timeoutSec: number
}

export type Hooks = Record<HookPoint, Hook | null>

const format = 'bygone-hooks'
const version = 1
const noHooks: Hooks = { pre: null, post: null }

const daySec = 86_400
const argumentsBytesMax = 64 * 1024

/** Of the user who asks, and of his daemons. BYGONE_CONFIG: another place, for containers. */
export function hooksDirectory(): string {
  const given = process.env['BYGONE_CONFIG']
  if (given !== undefined && isAbsolute(given)) return join(given, 'hooks')
  if (process.geteuid?.() === 0) return '/etc/bygone/hooks'
  const { XDG_CONFIG_HOME: own } = process.env
  const base = own !== undefined && isAbsolute(own) ? own : join(homedir(), '.config')
  return join(base, 'bygone', 'hooks')
}

/** Throws Failure for a file that is damaged, or that others could have written. */
export function readHooks(volumeId: string): Hooks {
  const path = pathOf(volumeId)
  let fd: number
  try {
    fd = realDisk.open(path, 'reading')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return noHooks
    throw error
  }
  try {
    refuseOthers(path, fd)
    return parseHooks(readAll(realDisk, fd).toString('utf8'))
  } catch (error) {
    if (!(error instanceof FieldError || error instanceof SyntaxError)) throw error
    const advice = 'set them anew by `bygone hook`, or remove it'
    throw new Failure('damaged', `${path} is damaged, ${error.message}: ${advice}`)
  } finally {
    realDisk.close(fd)
  }
}

/** Durable when it returns. */
export function writeHooks(volumeId: string, hooks: Hooks): void {
  checkHooks(hooks)
  const path = pathOf(volumeId)
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 })
  if (hooks.pre === null && hooks.post === null) rmSync(path, { force: true })
  else {
    const bytes = jsonBytes({ format, version, ...hooks })
    putFile(realDisk, dirname(path), `${volumeId}.json`, bytes)
  }
}

/** Throws a Failure of the kind usage. */
export function checkHooks(hooks: Hooks): void {
  for (const hook of [hooks.pre, hooks.post]) {
    const program = hook?.command[0]
    if (hook === null || program === undefined) continue
    const found = isAbsolute(program) ? lstatSync(program, { throwIfNoEntry: false }) : undefined
    if (found === undefined) {
      throw new Failure('usage', `${program} does not exist: give the absolute path of a program`)
    }
  }
}

function pathOf(volumeId: string): string {
  return join(hooksDirectory(), `${volumeId}.json`)
}

function refuseOthers(path: string, fd: number): void {
  const own = process.geteuid?.() ?? 0
  const places = [
    [path, fstatSync(fd)],
    [dirname(path), lstatSync(dirname(path))],
  ] as const
  for (const [place, { uid, mode }] of places) {
    if ((uid === own || uid === 0) && (mode & 0o022) === 0) continue
    const advice = `it must belong to uid ${own}, and nobody else may write to it`
    throw new Failure('failed', `${place} is not believed: ${advice}`)
  }
}

function parseHooks(text: string): Hooks {
  const fields = new FieldCheck('', JSON.parse(text))
  fields.text('format', (given) => given === format)
  fields.integer('version', version, version)
  const hooks = {
    pre: fields.objectOrNull('pre', parseHook),
    post: fields.objectOrNull('post', parseHook),
  }
  fields.end()
  return hooks
}

function parseHook(where: string, value: unknown): Hook {
  const fields = new FieldCheck(where, value)
  const hook = {
    command: fields.list('command', (at, word) => {
      if (typeof word === 'string' && !word.includes('\0')) return word
      throw new FieldError(`${at} is wrong`)
    }),
    timeoutSec: fields.integer('timeoutSec', 1, daySec),
  }
  fields.end()
  const [program = ''] = hook.command
  const bytes = hook.command.reduce((sum, word) => sum + Buffer.byteLength(word), 0)
  if (!isAbsolute(program) || bytes > argumentsBytesMax) throw fields.wrong('command')
  return hook
}
