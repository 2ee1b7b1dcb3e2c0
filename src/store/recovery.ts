import { join } from 'node:path'
import { isErrno } from '../base/errno.js'
import { faultPoint } from '../base/fault-point.js'
import { isKept } from '../base/rules.js'
import type { Disk } from './disk.js'
import { pendingBytesMaxOnFullDisk } from './change-writer.js'
import { isFull, makePrivateDirectory } from './durable-file.js'
import type { ElementIndex } from './element-index.js'
import {
  dataName,
  stateName,
  isIndexTrusted,
  readIndexState,
  removeIndex,
  writeIndexState,
  type IndexState,
} from './index-state.js'
import { journalStart, type JournalPosition } from './journal.js'
import { replay } from './journal-replay.js'
import { Failure } from '../base/failure.js'
import { PendingPuts } from './pending-puts.js'
import { findTail, type TailKnowledge } from './journal-tail.js'
import {
  createSegment,
  damagedJournal,
  listSegments,
  openSegment,
  segmentHeaderBytes,
  segmentName,
  type SegmentHeader,
} from './segment.js'
import { SegmentReader } from './segment-reader.js'
import type { Sessions } from './sessions.js'

export interface RecoveryReport {
  segments: number
  recordsReplayed: number
  /** Cut off the end of the journal: what the crash left of a record that nobody relied on. */
  tornBytes: number
  wasIndexRebuilt: boolean
  tookMs: number
}

export interface RecoveredVolume {
  journalDirectory: string
  indexDirectory: string
  /** The newest segment, open. */
  fd: number
  newest: SegmentHeader
  end: JournalPosition
  index: ElementIndex
  /** What the index had no room for. */
  pending: PendingPuts
  report: RecoveryReport
}

/**
 * Brings a volume's journal and index to where they agree: cuts a torn tail, applies what the
 * index lacks, or builds it anew where it can't be believed. Killed at any moment, it can
 * start again. `sessions` know how long the journal must be at least, and with `hasPast` (there are snapshots) whether
 * there must be one. What it refuses, as Failure('damaged'), it has not changed. `told`: how the journal was left, from one
 * who knows better than the index's state.
 */
export function recover(
  disk: Disk,
  directory: string,
  volumeId: string,
  bootId: string,
  sessions: Pick<Sessions, 'isKnown' | 'journalSequence' | 'brokenOffIn'>,
  hasPast: boolean,
  told?: TailKnowledge,
): RecoveredVolume {
  const startedMs = performance.now()
  const journalDirectory = join(directory, 'journal')
  const indexDirectory = join(directory, 'index')
  makePrivateDirectory(disk, journalDirectory)
  makePrivateDirectory(disk, indexDirectory)
  // A killed process may have left a segment whose name is not on the disk yet.
  if (isKept('recovery.named')) disk.syncDirectory(journalDirectory)
  const { fd, header: newest } = openNewest(
    disk,
    sessions.isKnown || hasPast,
    journalDirectory,
    indexDirectory,
    volumeId,
  )
  faultPoint('recovery.begun')
  let index: ElementIndex | undefined
  try {
    const state = readIndexState(disk, indexDirectory)
    if (state?.volumeId === volumeId && state.segments > newest.segment) {
      throw missing(journalDirectory, newest.segment + 1)
    }
    const reader = new SegmentReader(disk, fd)
    const known = told ?? knowledgeOf(state, volumeId, bootId, sessions)
    const tail = (from: JournalPosition): JournalPosition => {
      const start = from.segment === newest.segment ? from : startOf(newest)
      const path = join(journalDirectory, segmentName(newest.segment))
      if (start.offset > reader.sizeBytes) {
        throw damagedJournal(path, reader.sizeBytes, `records up to ${start.sequence} are missing`)
      }
      const end = findTail(path, reader, newest, start, known)
      faultPoint('recovery.tail.found')
      if (end.offset < reader.sizeBytes && isKept('tail.cut')) disk.truncate(fd, end.offset)
      faultPoint('recovery.tail.cut')
      // All that is read here will be built upon; a process that was killed may have left it
      // unsynced.
      if (isKept('tail.synced')) disk.syncData(fd)
      faultPoint('recovery.tail.synced')
      return end
    }

    let from = journalStart
    let end: JournalPosition | undefined
    if (isIndexTrusted(disk, indexDirectory, state, volumeId, bootId)) {
      // Only reads until the state says, durably, that it is in use.
      const opened = openTrusted(disk, indexDirectory)
      index = opened?.index
      if (index !== undefined) faultPoint('recovery.index.opened')
      from = opened?.checkpoint ?? journalStart
      if (from.segment > newest.segment) throw missing(journalDirectory, from.segment)
      if (index !== undefined) {
        end = tail(from)
        if (isKept('index.state-before-use')) {
          writeIndexState(disk, indexDirectory, { volumeId, bootId, segments: newest.segment })
        }
      }
    }
    const wasIndexRebuilt = index === undefined
    if (index === undefined || end === undefined) {
      end = tail(journalStart)
      removeIndex(disk, indexDirectory)
      index = disk.openIndex(indexDirectory)
      faultPoint('recovery.index.made')
      writeIndexState(disk, indexDirectory, { volumeId, bootId, segments: newest.segment })
    }
    const pending = new PendingPuts()
    const recordsReplayed = replayInto(disk, journalDirectory, volumeId, from, end, index, pending)
    faultPoint('recovery.done')
    const report = {
      segments: newest.segment,
      recordsReplayed,
      tornBytes: reader.sizeBytes - end.offset,
      wasIndexRebuilt: wasIndexRebuilt && recordsReplayed > 0,
      tookMs: performance.now() - startedMs,
    }
    return { journalDirectory, indexDirectory, fd, newest, end, index, pending, report }
  } catch (error) {
    index?.close()
    disk.close(fd)
    throw error
  }
}

/** The rest is pending when the disk is full: so a volume can be mounted on one. Returns how many records. */
function replayInto(
  disk: Disk,
  directory: string,
  volumeId: string,
  from: JournalPosition,
  end: JournalPosition,
  index: ElementIndex,
  pending: PendingPuts,
): number {
  try {
    return replay(disk, directory, volumeId, from, end, index)
  } catch (error) {
    if (!isFull(error)) throw error
  }
  const rest = index.checkpoint() ?? journalStart
  const inMemory: Pick<ElementIndex, 'apply'> = {
    apply: (_size, fill) => {
      fill((puts, start, putsEnd) => {
        pending.add(puts, start, putsEnd)
      }, nothingToRemove)
      if (pending.bytes > pendingBytesMaxOnFullDisk) throw noRoomForIndex(directory)
    },
  }
  replay(disk, directory, volumeId, rest, end, inMemory)
  return end.sequence - from.sequence
}

function noRoomForIndex(directory: string): Failure {
  const advice = 'free some space on its disk and try again'
  return new Failure('full', `no room for the index of the journal ${directory}: ${advice}`)
}

function startOf({ segment, firstSequence }: SegmentHeader): JournalPosition {
  return { segment, offset: segmentHeaderBytes, sequence: firstSequence - 1 }
}

function openNewest(
  disk: Disk,
  wasUsed: boolean,
  journalDirectory: string,
  indexDirectory: string,
  volumeId: string,
): { fd: number; header: SegmentHeader } {
  const segments = listSegments(disk, journalDirectory)
  for (const [at, segment] of segments.entries()) {
    if (segment !== at + 1 && isKept('segment.all')) throw missing(journalDirectory, at + 1)
  }
  if (segments.length === 0) {
    // The first segment is made before the index is, and before the first session begins.
    const files = [dataName, stateName].map((name) => join(indexDirectory, name))
    if (wasUsed || files.some((path) => disk.stat(path) !== undefined)) {
      throw missing(journalDirectory, 1)
    }
    return createSegment(disk, journalDirectory, 1, volumeId, 1)
  }
  const newest = segments.length
  return openSegment(disk, join(journalDirectory, segmentName(newest)), newest, volumeId)
}

function missing(journalDirectory: string, segment: number): Error {
  return damagedJournal(join(journalDirectory, segmentName(segment)), 0, 'the segment is missing')
}

/** What the index's state, and the sessions, tell of how the journal was left. */
export function knowledgeOf(
  state: IndexState | undefined,
  volumeId: string,
  bootId: string,
  sessions: Pick<Sessions, 'journalSequence' | 'brokenOffIn'> | undefined,
): TailKnowledge {
  const durableSequence = sessions?.journalSequence ?? 0
  if (state?.volumeId === volumeId && state.closed !== undefined && isKept('tail.closed')) {
    return {
      durableSequence: Math.max(state.closed.endSequence, durableSequence),
      left: 'nothing',
    }
  }
  // It is on the disk before the first record is. Somebody may have removed it, with the index.
  const bootIdThen = state?.volumeId === volumeId ? state.bootId : sessions?.brokenOffIn
  if (bootIdThen === undefined) return { durableSequence, left: 'nothing' }
  const wasKilled = bootIdThen === bootId && isKept('tail.killed')
  return { durableSequence, left: wasKilled ? 'cut record' : 'anything' }
}

/** Undefined if LMDB finds the index damaged after all. */
function openTrusted(
  disk: Disk,
  directory: string,
): { index: ElementIndex; checkpoint: JournalPosition | undefined } | undefined {
  let index: ElementIndex | undefined
  try {
    index = disk.openIndex(directory)
    return { index, checkpoint: index.checkpoint() }
  } catch (error) {
    index?.close()
    if (isErrno(error, 'EIO')) return undefined
    throw error
  }
}

/** A replay only puts. */
function nothingToRemove(): void {
  throw new Error('recovery removes nothing')
}
