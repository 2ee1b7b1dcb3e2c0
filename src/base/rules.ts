/*
 * The rules that the store's safety rests on, by name, so that a test can break one at a time and see that
 * another test notices (test/model/store-mutations.test.ts). Nothing but a test may break one: there is no way
 * to do it from outside the process.
 */

export const rules = {
  'file.aside': 'a small file is written under another name and renamed',
  'file.synced': 'its bytes are on the disk before it is renamed',
  'file.named': 'its name is on the disk before it counts as replaced',
  'directory.named': "a new directory's name is on the disk before anything in it counts",

  'catalog.named': "the catalog's name is on the disk before what it says is built upon",

  'segment.aside': 'a segment is made under another name and renamed',
  'segment.synced': 'its header is on the disk before it is renamed',
  'segment.named': 'its name is on the disk before a record goes into it',
  'segment.header': 'its header is checked: checksum, volume, number',
  'segment.seed': "the checksums of a segment's records start from its own seed",
  'segment.all': 'the segments are numbered without gaps',

  'roll.synced': 'the old segment is on the disk before a new one is begun',
  'roll.noted': 'the state knows the number of a new segment before a record goes into it',
  'roll.sync-descriptor': 'what is given out for syncing is the newest segment',

  'record.synced': 'strict: a record is on the disk when the commit returns',
  'record.touched': 'ordered: a record is synced in the background',
  'record.cut-back': 'a record that could not be written whole is cut off again',
  'record.cut-synced': 'that it is cut off is on the disk before anything else happens',
  'punch.claimed': 'a record claims to be durable what loses its data, before it does',
  'compaction.synced':
    'what stands for freed records is on the disk before their space is given back',
  'record.durable-at-most': 'a record claims no more to be durable than what was synced',
  'record.durable-at-least': 'a record claims what was synced to be durable',
  'record.header': "a record's header is checked",
  'record.body': "a record's body is checked",
  'record.sequence': 'a record is the next after the one before',
  'chunk.checksum': 'the bytes of a chunk are checked when they are read',
  'value.checksum': 'a value of the index is checked when it is read',

  'recovery.named': "the segments' names are on the disk before anything is built upon them",
  'tail.cut': 'a torn tail is cut off',
  'tail.synced': 'what is read at recovery is on the disk before anything is built upon it',
  'tail.data': 'after a restart of the machine the chunk bytes of the last records are checked',
  'tail.closed': 'a volume that was closed has no torn tail',
  'tail.killed':
    'what a killed process leaves is a record cut by the end of the file, and nothing else',
  'tail.later-claims': 'what the records behind a bad one claim to be durable counts',

  'index.state-before-use': 'the state says that the index is in use before it is written to',
  'index.boot': 'an index that was in use is believed only while the machine runs on',
  'index.changed': 'an index that was closed is believed only if it was not changed since',
  'index.head': 'the index is as long as its head says',
  'index.state-checksum': 'the state is checked',

  'close.journal-synced': 'the journal is on the disk before the state says closed',
  'close.index-synced': 'the index is on the disk before the state says closed',
} as const

export type Rule = keyof typeof rules

let broken: Rule | undefined

export function isKept(rule: Rule): boolean {
  return rule !== broken
}

/** For the mutation check alone. */
export function withBroken<T>(rule: Rule | undefined, run: () => T): T {
  broken = rule
  try {
    return run()
  } finally {
    broken = undefined
  }
}
