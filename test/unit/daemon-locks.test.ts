import { expect, test } from 'vitest'
import { KeyLocks } from '../../src/daemon/key-locks.js'

/** Work that notes when it begins and ends, and ends when told to. */
function recorder() {
  const events: string[] = []
  const finish = new Map<string, () => void>()
  return {
    events,
    work: (name: string) => async () => {
      events.push(`${name} begins`)
      await new Promise<void>((resolve) => finish.set(name, resolve))
      events.push(`${name} ends`)
    },
    end: async (name: string) => {
      await settle()
      finish.get(name)?.()
      await settle()
    },
  }
}

const settle = () => new Promise((resolve) => setImmediate(resolve))

test('work with a key in common runs one by one, other work beside it', async () => {
  const locks = new KeyLocks()
  const { work, end, events } = recorder()
  const all = [
    locks.run(['a'], work('one')),
    locks.run(['a', 'b'], work('two')),
    locks.run(['c'], work('three')),
    locks.run(['b'], work('four')),
  ]
  await end('three')
  expect(events).toEqual(['one begins', 'three begins', 'three ends'])
  await end('one')
  expect(events.slice(3)).toEqual(['one ends', 'two begins'])
  await end('two')
  await end('four')
  await Promise.all(all)
  expect(events.slice(5)).toEqual(['two ends', 'four begins', 'four ends'])
})

test('work that fails lets the next one in', async () => {
  const locks = new KeyLocks()
  const failed = locks.run(['a'], () => Promise.reject(new Error('no')))
  const next = locks.run(['a'], () => Promise.resolve('yes'))
  await expect(failed).rejects.toThrow('no')
  expect(await next).toBe('yes')
})
