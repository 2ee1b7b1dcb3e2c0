import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { FaultPlan } from '../../src/base/fault-point.js'
import { faultPoints } from '../../src/base/fault-points.js'
import { temporaryDirectory } from '../support/store-fixture.js'

describe('fault points', () => {
  test('that are listed stand in the source', () => {
    const sources = readdirSync('src', { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts'))
      .map((path) => readFileSync(join('src', path), 'utf8'))
    const passed = new Set(
      sources.flatMap((text) =>
        [...text.matchAll(/faultPoint\(\s*['`]([^'`]+)['`]/g)].map(([, name]) => name),
      ),
    )
    // The small files' points are the same lines for all of them.
    const inSource = (name: string) => name.replace(/^file\..*\./, 'file.${name}.')
    expect(Object.keys(faultPoints).filter((name) => !passed.has(inSource(name)))).toEqual([])
  })

  test('fail with an errno at every pass or at one', () => {
    const plan = new FaultPlan('rename.*=fail:ENOSPC,link.made=fail:EIO@2')
    for (let pass = 0; pass < 2; pass++) {
      expect(() => {
        plan.pass('rename.done')
      }).toThrow('ENOSPC: fault point rename.done')
    }
    plan.pass('link.made')
    expect(() => {
      plan.pass('link.made')
    }).toThrow('EIO: fault point link.made')
    plan.pass('link.made')
    plan.pass('create.made')
  })

  test('delay the thread', () => {
    const plan = new FaultPlan('create.made=delay:20')
    const startedMs = performance.now()
    for (let pass = 0; pass < 10; pass++) plan.pass('create.made')
    const tookMs = performance.now() - startedMs
    expect(tookMs).toBeGreaterThan(30)
  })

  test('refuse a plan that names no point or nothing to do', () => {
    for (const text of [
      'no.such=kill',
      'rename.done=fail:NONSENSE',
      'rename.done=delay',
      'rename.done',
    ]) {
      expect(() => new FaultPlan(text), text).toThrow('BYGONE_FAULTS')
    }
  })

  test('kill the whole process from a thread, and once for each log', () => {
    const log = join(temporaryDirectory(), 'log')
    const program = `
      const { Worker, isMainThread } = require('node:worker_threads')
      if (isMainThread) new Worker(__filename)
      else import('${import.meta.dirname}/../../dist/base/fault-point.js').then(({ faultPoint }) => {
        faultPoint('create.made')
        faultPoint('create.made')
        console.log('alive')
      })`
    const script = join(temporaryDirectory(), 'passing.cjs')
    writeFileSync(script, program)
    const run = (environment: NodeJS.ProcessEnv) =>
      spawnSync(process.execPath, [script], {
        env: { ...process.env, ...environment },
        encoding: 'utf8',
      })
    expect(run({}).stdout).toBe('alive\n')
    const killing = { BYGONE_FAULTS: 'create.*=kill@2', BYGONE_FAULTS_LOG: log }
    expect(run(killing)).toMatchObject({ signal: 'SIGKILL', stdout: '' })
    expect(readFileSync(log, 'utf8')).toBe('passed create.made\nkilled create.*\n')
    expect(run(killing)).toMatchObject({ status: 0, stdout: 'alive\n' })
  })
})
