import { expect, test } from 'vitest'
import { FlushMarker } from '../../src/view/flush-marker.js'

function marker() {
  const events: string[] = []
  const made = new FlushMarker(
    (pid) => pid === 7,
    () => events.push('caught up'),
  )
  return { made, events }
}

test("the daemon's own handle of the root marks what is on its way until it is closed", () => {
  const { made, events } = marker()
  made.opened(7, 1)
  expect(made.isCatchingUp).toBe(true)
  made.released(1)
  expect(made.isCatchingUp).toBe(false)
  expect(events).toEqual(['caught up'])
})

test("other processes' handles mark nothing", () => {
  const { made, events } = marker()
  made.opened(8, 1)
  expect(made.isCatchingUp).toBe(false)
  made.opened(7, 2)
  made.released(1)
  expect(made.isCatchingUp).toBe(true)
  expect(events).toEqual([])
})
