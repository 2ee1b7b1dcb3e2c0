/*
 * Every fault point there is, by name, and what has happened when it is passed. The kill tests run over
 * all of them: one that is never passed there, or is not in this list, fails a test.
 */

/** The small files that are replaced whole (store/durable-file.ts). */
export type ReplacedFile =
  'catalog.json' | 'volume.json' | 'sessions.json' | 'sessions.copy.json' | 'pairing.json' | 'state'
export type ReplacingStep = 'begun' | 'written' | 'synced' | 'renamed' | 'durable'

const replacingSteps: Record<ReplacingStep, string> = {
  begun: 'is about to be replaced',
  written: 'is written under its temporary name',
  synced: 'is on the disk under its temporary name',
  renamed: 'has its name, in memory',
  durable: 'has its name, on the disk',
}

function replacing<File extends ReplacedFile>(
  file: File,
): Record<`file.${File}.${ReplacingStep}`, string> {
  const entries = Object.entries(replacingSteps).map(([step, what]) => [
    `file.${file}.${step}`,
    `${file} ${what}`,
  ])
  return Object.fromEntries(entries) as Record<`file.${File}.${ReplacingStep}`, string>
}

export const faultPoints = {
  ...replacing('catalog.json'),
  ...replacing('volume.json'),
  ...replacing('sessions.json'),
  ...replacing('sessions.copy.json'),
  ...replacing('pairing.json'),
  ...replacing('state'),

  'catalog.copied': 'the copy of the catalog is written, on the disk only after a deletion',

  'delete.gone': 'the catalog has no such snapshot any more; the mount still shows it',
  'sweep.begun': 'elements that no snapshot needs are about to be taken from the index',
  'sweep.removed': 'they are; their data is still in the journal',
  'sweep.punched': 'the space of their data is given back',
  'sweep.forgotten':
    'retired files that no snapshot needs are not known any more; they are still there',
  'sweep.discarded': 'they are gone',
  'gc.swept': 'a volume that is not mounted is swept; the catalog does not know yet',

  'compaction.begun': 'records that nobody needs are about to be freed',
  'compaction.written': 'headers that stand for them are written',
  'compaction.synced': 'these are on the disk',
  'compaction.punched': 'the space of the records is given back',

  'journal.append.begun': 'a record is about to be written',
  'journal.append.written': 'a record is in the journal; what it is about has not happened yet',
  'journal.sync.begun': 'the journal is about to be synced, for a program or at close',
  'journal.roll.synced': 'a full segment is on the disk',
  'journal.roll.begun': 'the next segment is there; the state does not know it yet',
  'journal.roll.done': 'the state knows the next segment',
  'journal.segment.written': 'the header of a new segment is written under its temporary name',
  'journal.segment.synced': 'a new segment is on the disk under its temporary name',
  'journal.segment.renamed': 'a new segment has its name, in memory',
  'journal.segment.durable': 'a new segment has its name, on the disk',

  'index.commit.begun': 'what is pending is about to go into the index',
  'index.commit.filled': 'all is put, the transaction not committed',
  'index.commit.done': 'the transaction is committed; all is still pending in memory too',
  'index.remove.state': 'the state of an index that is not believed is removed',
  'index.remove.data': 'an index that is not believed is removed',

  'index.shrink.copied': 'a copy of the index without free pages is on the disk',
  'index.shrink.renamed': 'it has the name of the index; the state names the old one',

  'recovery.begun': 'the newest segment is open',
  'recovery.tail.found': 'the end of the journal is known; a torn tail is still there',
  'recovery.tail.cut': 'a torn tail is cut off, not synced',
  'recovery.tail.synced': 'the end of the journal is on the disk',
  'recovery.index.opened': 'an index that is believed is open',
  'recovery.index.made': 'a new index is open',
  'recovery.batch': 'a batch of records is in the index',
  'recovery.done': 'journal and index agree',

  'session.alive': 'the session has said that it is alive',

  'mount.origin': "the origin is open and locked, bygone's directories are in it",
  'mount.volume': 'the volume is in the catalog and the origin marked as its own',
  'mount.opened': 'the volume is open; nothing is mounted',
  'mount.kernel': 'the kernel shows the mount; nobody serves it yet',
  'mount.session': 'the session has begun; no request was served',
  'mount.answered': 'the mount has answered its first request',
  'mount.reachable': 'the mount is found by the command line; nobody was told',
  'mount.bequeathed': 'a successor would go on with the mount; nobody was told',

  'snapshot.begun': 'a snapshot is asked for',
  'snapshot.flushed': 'the kernel has handed over what programs wrote',
  'snapshot.held': 'no request is under way',
  'snapshot.exists': 'the catalog has the snapshot; the thread still works for the one before',
  'snapshot.cut': 'the thread works for the new snapshot; nobody was told',
  'snapshot.done': 'the snapshot is taken; the command has no answer yet',

  'hooks.noted': 'a pre hook is about to run; the store says so',
  'hooks.pre': 'it has; no snapshot is taken yet',
  'hooks.cut': 'the snapshot is taken; no post hook has run yet',
  'hooks.post': 'it has; the store says still that it has to',

  'schedule.due': 'a snapshot is due by a schedule; nothing is done about it yet',
  'schedule.failed': 'the catalog says why a scheduled snapshot could not be taken',

  'preserve.chunks.begun': 'chunks are about to be copied into the journal',
  'preserve.chunks.kept': 'chunks are in the journal; nobody may overwrite them yet',
  'preserve.chunks.free': 'chunks may be overwritten in place',
  'change.committed': 'names and attributes are in the journal; the origin is as it was',

  'create.made': 'a name is made in the origin; the kernel has no answer',
  'link.made': 'a hard link is made in the origin',
  'unlink.done': 'a name that no snapshot needs is removed from the origin',
  'rename.begun': 'the origin is about to rename',
  'rename.done': 'the origin has renamed',
  'retire.begun': 'the journal says that the object is retired; it is not yet',
  'retire.linked': 'a file that is replaced has a second name in the retired directory',
  'retire.exchanged': 'a directory that is replaced stands at the old place of the new one',
  'retire.moved': 'the object is in the retired directory',
  'retire.unlinked': 'another name of a file that is retired is removed',

  'write.prepared': 'a range may be overwritten in place, which is about to happen',
  'truncate.begun': 'what will be cut off is preserved',
  'truncate.done': 'the file is cut',
  'allocate.begun': 'what fallocate will change is preserved',
  'allocate.done': 'fallocate has changed the file',
  'attributes.changed': 'mode, owner, size or times are changed in the origin',
  'xattr.changed': 'an extended attribute is changed in the origin',

  'unmount.kernel': 'the kernel shows the mount no more',
  'unmount.session': 'the session has ended',
  'unmount.closed': 'journal and index are closed; the origin is not synced',
  'unmount.synced': 'all is on the disk; nobody was told',
  'close.indexed': 'nothing is pending any more',
  'close.synced': 'the index is closed and synced; its state does not say so',
} as const

export type FaultPoint = keyof typeof faultPoints
