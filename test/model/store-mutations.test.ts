import { describe, expect, test } from 'vitest'
import { rules, withBroken, type Rule } from '../../src/base/rules.js'
import type { Durability } from '../../src/store/journal.js'
import { CompactionStory } from '../support/simulation/compaction-story.js'
import { CrashStory } from '../support/simulation/crash-story.js'
import { DamageStory } from '../support/simulation/damage-story.js'
import { PunchStory } from '../support/simulation/punch-story.js'

// Goal: the simulation sees what it is there for: whichever rule of the store is broken, it notices. Method: each rule is
// broken in turn, and stories are told, from the first that was found to notice, until one does. BYGONE_HUNTS sets how many
// at most, BYGONE_SEED where they begin: `npm run mutation`.

const hunts = Number(process.env['BYGONE_HUNTS'] ?? 6)
const given = process.env['BYGONE_SEED']
const trials = 60

type Kind = 'crash' | 'damage' | 'punch' | 'compaction'

/** What notices, and the first story that did. */
const noticedBy: Record<Rule, [Kind, number]> = {
  'file.aside': ['crash', 0],
  'file.synced': ['crash', 0],
  'file.named': ['crash', 0],
  'directory.named': ['crash', 0],
  'catalog.named': ['crash', 1],
  'segment.aside': ['crash', 0],
  'segment.synced': ['crash', 0],
  'segment.named': ['crash', 0],
  'segment.header': ['damage', 2],
  'segment.seed': ['damage', 0],
  'segment.all': ['damage', 0],
  'roll.synced': ['crash', 1],
  'roll.noted': ['damage', 16],
  'roll.sync-descriptor': ['crash', 1],
  'record.synced': ['damage', 4],
  'record.touched': ['crash', 5],
  'record.cut-back': ['crash', 1],
  'record.cut-synced': ['crash', 8],
  'punch.claimed': ['punch', 0],
  'compaction.synced': ['compaction', 0],
  'record.durable-at-most': ['crash', 9],
  'record.durable-at-least': ['damage', 4],
  'record.header': ['damage', 16],
  'record.body': ['damage', 13],
  'record.sequence': ['damage', 2],
  'chunk.checksum': ['damage', 0],
  'value.checksum': ['damage', 0],
  'recovery.named': ['crash', 0],
  'tail.cut': ['crash', 1],
  'tail.synced': ['crash', 1],
  'tail.data': ['crash', 1],
  'tail.closed': ['damage', 7],
  'tail.killed': ['damage', 10],
  'tail.later-claims': ['damage', 4],
  'index.state-before-use': ['crash', 0],
  'index.boot': ['damage', 5],
  'index.changed': ['damage', 7],
  'index.head': ['damage', 14],
  'index.state-checksum': ['damage', 4],
  'close.journal-synced': ['crash', 5],
  'close.index-synced': ['crash', 0],
}

describe('a rule of the store that is broken is noticed', () => {
  test.each(Object.keys(rules) as Rule[])('%s', (rule) => {
    const [kind, seedKnown] = noticedBy[rule]
    const seedFirst = given === undefined ? seedKnown : Number(given)
    let noticed: unknown
    let seed = seedFirst
    // A story about damage is some twenty times shorter.
    const seedEnd = seedFirst + (kind === 'damage' ? 8 * hunts : hunts)
    for (; noticed === undefined && seed < seedEnd; seed++) {
      const durability = seed % 2 === 0 ? 'strict' : 'ordered'
      const story = storyOf(kind, seed, durability)
      try {
        withBroken(rule, () => {
          story.run(trials)
        })
      } catch (error) {
        noticed = error
      }
    }
    expect(noticed, `${rules[rule]}; stories ${seedFirst} to ${seed - 1}`).toBeDefined()
  })
})

function storyOf(
  kind: Kind,
  seed: number,
  durability: Durability,
): { run: (trials: number) => void } {
  switch (kind) {
    case 'crash':
      return new CrashStory({ seed, durability })
    case 'damage':
      return new DamageStory({ seed, durability })
    case 'compaction':
      return new CompactionStory(seed)
    case 'punch':
      return new PunchStory()
  }
}
