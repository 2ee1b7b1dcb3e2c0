import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'

const repository = new URL('../../', import.meta.url)
const text = readFileSync(new URL('src/view/SEMANTICS.md', repository), 'utf8')

/** The promises: the items of the lists, each on one line. */
const promises = text
  .split(/\n(?=- |## )/)
  .filter((part) => part.startsWith('- '))
  .map((part) => part.split(/\n\n/)[0]?.replaceAll(/\s+/g, ' ').trim() ?? '')

function testsNamed(promise: string): string[] {
  return promise.match(/test\/[\w/-]+\.test\.ts/g) ?? []
}

describe('SEMANTICS.md', () => {
  test('makes promises', () => {
    expect(promises.length).toBeGreaterThan(20)
  })

  test.each(promises)('names the test that holds it: %s', (promise) => {
    const named = testsNamed(promise)
    expect(named, promise).not.toEqual([])
    for (const path of named)
      expect([path, existsSync(new URL(path, repository))]).toEqual([path, true])
  })
})
