import { describe, expect, onTestFinished, test } from 'vitest'
import { FsError } from '../../src/base/errno.js'
import { Rename } from '../../src/base/open-flags.js'
import { Killed, SessionWorld } from '../support/session-world.js'
import { differences, valuesOfOrigin } from '../support/view-tree.js'
import type { ViewDriver } from '../support/view-driver.js'

// Goal: what can't be done twice is done once, wherever in it the process was killed, and what was answered is not asked
// for again. Method: the same request in a world in which nothing is killed, and in others killed at each moment of it.

interface Act {
  name: string
  does: (driver: ViewDriver) => unknown
  /** Refused with this, by whom nothing was killed. */
  refusal?: string
}

const acts: Act[] = [
  { name: 'create', does: (driver) => driver.create('directory', 'new', 0o600) },
  {
    name: 'mkdir',
    does: (driver) => {
      driver.mkdir('directory', 'new')
    },
  },
  {
    name: 'symlink',
    does: (driver) => {
      driver.symlink('directory', 'new', 'target')
    },
  },
  {
    name: 'link',
    does: (driver) => {
      driver.link('file', 'directory', 'new')
    },
  },
  {
    name: 'unlink',
    does: (driver) => {
      driver.unlink('', 'file')
    },
  },
  {
    name: 'unlink of one of two names',
    does: (driver) => {
      driver.unlink('', 'linked')
    },
  },
  {
    name: 'rmdir',
    does: (driver) => {
      driver.rmdir('', 'empty')
    },
  },
  {
    name: 'rename',
    does: (driver) => {
      driver.rename('', 'file', 'directory', 'new')
    },
  },
  {
    name: 'rename over a file',
    does: (driver) => {
      driver.rename('', 'file', '', 'other')
    },
  },
  {
    name: 'rename over a directory',
    does: (driver) => {
      driver.rename('', 'empty', '', 'empty2')
    },
  },
  {
    name: 'rename of two names of one file',
    does: (driver) => {
      driver.rename('', 'linked', 'directory', 'link')
    },
  },
  {
    name: 'exchange',
    does: (driver) => {
      driver.rename('', 'file', '', 'directory', Rename.exchange)
    },
  },
  {
    name: 'rename that may not replace',
    does: (driver) => {
      driver.rename('', 'file', '', 'other', Rename.noReplace)
    },
    refusal: 'EEXIST',
  },
  {
    name: 'removexattr',
    does: (driver) => {
      driver.removeXattr('file', 'user.there')
    },
  },
  {
    name: 'removexattr of nothing',
    does: (driver) => {
      driver.removeXattr('file', 'user.missing')
    },
    refusal: 'ENODATA',
  },
  {
    name: 'unlink of a directory',
    does: (driver) => {
      driver.unlink('', 'empty')
    },
    refusal: 'EISDIR',
  },
]

/** When the process is killed: before the act, after it, when all is on record, when it is answered as well. */
const moments = ['intended', 'done', 'on record', 'answered'] as const
type Moment = (typeof moments)[number]

function prepared(hasSnapshot: boolean): SessionWorld {
  const session = new SessionWorld(4096)
  onTestFinished(() => {
    session.remove()
  })
  const { driver } = session
  driver.mkdir('', 'directory')
  driver.mkdir('', 'empty')
  driver.mkdir('', 'empty2')
  for (const name of ['file', 'other', 'linked']) {
    const handle = driver.create('', name, 0o644)
    driver.write(handle, 0, Buffer.from(name.repeat(3000)))
    driver.close(handle)
  }
  driver.link('linked', 'directory', 'link')
  driver.setXattr('file', 'user.there', 'value')
  if (hasSnapshot) session.world.snapshot()
  // Known, so that the request is the last to be on record.
  for (const path of [
    'directory',
    'empty',
    'empty2',
    'file',
    'other',
    'linked',
    'directory/link',
  ]) {
    driver.must(path)
  }
  return session
}

function outcome(work: () => unknown): string {
  try {
    work()
    return 'done'
  } catch (error) {
    if (error instanceof FsError) return error.code
    throw error
  }
}

/** The tree but for numbers and times that are another's by chance. */
function treeOf(session: SessionWorld): Map<string, string> {
  const { origin } = session.world
  const values = valuesOfOrigin(origin)
  for (const [path, value] of values) {
    values.set(path, JSON.stringify({ ...(JSON.parse(value) as object), mtime: 0 }))
  }
  return values
}

function killedAt(session: SessionWorld, { does }: Act, moment: Moment): void {
  const { driver, log } = session
  log.intentEnd = 0
  log.isToKill = moment === 'intended'
  try {
    outcome(() => does(driver))
  } catch (error) {
    if (!(error instanceof Killed)) throw error
  }
  log.isToKill = false
  const end = moment === 'done' && log.intentEnd > 0 ? log.intentEnd : undefined
  session.takeOver(end)
}

describe.each([
  ['in no snapshot', false],
  ['in a snapshot', true],
])('of what stands %s', (_, hasSnapshot) => {
  test.each(acts)('$name is carried out once, whenever in it the process is killed', (act) => {
    const control = prepared(hasSnapshot)
    const end = outcome(() => act.does(control.driver))
    expect(end).toBe(act.refusal ?? 'done')
    for (const moment of moments) {
      const session = prepared(hasSnapshot)
      killedAt(session, act, moment)
      if (moment === 'answered') session.driver.attributesOf(1)
      else expect(outcome(() => session.resendLast())).toBe(end)
      session.world.view.session.endResending()
      expect(differences(treeOf(control), treeOf(session)), moment).toEqual([])
      expect(session.nodesWithoutNumbers(), moment).toEqual(control.nodesWithoutNumbers())
      expect(session.placesThatAreNot(), moment).toEqual([])
    }
  })
})
