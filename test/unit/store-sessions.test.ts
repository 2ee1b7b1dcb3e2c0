import { mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir, uptime } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Label } from '../../src/base/ids.js'
import { realDisk } from '../../src/store/real-disk.js'
import { Sessions } from '../../src/store/sessions.js'
import { changeSealed, resealed } from '../support/sealed-file.js'

const label = (number: number) => number as Label
const at = (sec: number, nsec = 0) => ({ sec, nsec })
/** As far ahead as a session may say that it is alive, in seconds. */
const aheadSec = 60

describe('sessions', () => {
  let directory: string
  const open = (bootId = 'boot 1') => Sessions.open(realDisk, directory, bootId)

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'bygone-sessions-'))
  })
  afterEach(() => {
    rmSync(directory, { recursive: true })
  })

  test('the first one follows no gap', () => {
    const sessions = open()
    sessions.begin(at(100), 0, label(3))
    expect(sessions.gaps).toEqual([])
  })

  test('what lies between the end of one and the beginning of the next is a gap', () => {
    const first = open()
    first.begin(at(100), 0, 0)
    first.end(at(200, 5))
    const second = open()
    second.begin(at(300, 7), label(1), label(4))
    const gap = { start: at(200, 5), end: at(300, 7), label: 4 }
    expect(second.gaps).toEqual([gap])
    second.end(at(400))
    const third = open()
    third.begin(at(500), label(1), label(4))
    expect(third.gaps).toEqual([gap, { start: at(400), end: at(500), label: 4 }])
  })

  test('a gap that no snapshot can remember is forgotten', () => {
    open().begin(at(100), 0, 0)
    const first = open()
    first.begin(at(100), 0, 0)
    first.end(at(200))
    const second = open()
    second.begin(at(300), label(1), label(2))
    second.end(at(400))
    const third = open()
    third.begin(at(500), label(3), label(3))
    expect(third.gaps).toEqual([{ start: at(400), end: at(500), label: 3 }])
    third.end(at(600))
    const fourth = open()
    fourth.begin(at(700), 0, 0)
    expect(fourth.gaps).toEqual([])
  })

  test('one that was killed is taken to have lasted for a minute more', () => {
    const now = Math.floor(Date.now() / 1000)
    open().begin(at(now), 0, 0)
    const soon = open()
    soon.begin(at(now + 1), label(1), label(1))
    expect(soon.gaps).toEqual([])
    const hour = 3600
    const said = statSync(join(directory, 'alive')).mtimeMs / 1000
    expect(said).toBeGreaterThanOrEqual(now + aheadSec)
    utimesSync(join(directory, 'alive'), said - hour, said - hour)
    const later = open()
    later.begin(at(now + 2), label(1), label(1))
    expect(later.gaps).toEqual([{ start: at(said - hour), end: at(now + 2), label: 1 }])
  })

  test('one that the machine took down ended before the machine came up', () => {
    const now = Date.now() / 1000
    open('boot 0').begin(at(Math.floor(now) - 5), 0, 0)
    const next = open('boot 1')
    next.begin(at(Math.floor(now)), label(1), label(1))
    expect(next.gaps).toHaveLength(1)
    const start = next.gaps[0]?.start.sec ?? 0
    expect(Math.abs(start - (now - uptime()))).toBeLessThan(5)
  })

  test('saying that it is alive before it has begun would hide the gap: it does not', () => {
    open().begin(at(100), 0, 0)
    const path = join(directory, 'alive')
    utimesSync(path, 200, 200)
    open().keepAlive()
    expect(statSync(path).mtimeMs).toBe(200_000)
  })

  test('a clock that was set back leaves no gap', () => {
    const first = open()
    first.begin(at(1000), 0, 0)
    first.end(at(2000))
    const second = open()
    second.begin(at(1500), label(1), label(1))
    expect(second.gaps).toEqual([])
  })

  test.each([
    ['not JSON', 'x', 'damaged'],
    ['another file', '{"format": "bygone-catalog", "version": 1}', 'damaged'],
    ['a gap without an end', undefined, 'damaged'],
    ['a newer version', '{"format": "bygone-sessions", "version": 3}', 'failed'],
  ])('%s is refused', (_, text, kind) => {
    const first = open()
    first.begin(at(100), 0, 0)
    first.end(at(200))
    open().begin(at(300), label(1), label(1))
    const path = join(directory, 'sessions.json')
    if (text === undefined) changeSealed(path, (good) => good.replace(/"end": "[^"]*",/, ''))
    else writeFileSync(path, resealed(text))
    expect(() => open()).toThrow(expect.objectContaining({ kind }) as Error)
  })
})
