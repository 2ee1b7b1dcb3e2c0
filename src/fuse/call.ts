import { Attributes } from '../base/attributes.js'
import type { Session } from '../base/native.js'
import { ReadPlan } from '../base/read-plan.js'
import { newAttributeChange, newEntry, newOpenReply } from './blank.js'
import { DirectoryReply } from './directory-reply.js'
import type {
  AttributeChange,
  AttributesReply,
  Entry,
  FileSystem,
  OpenReply,
  StatfsReply,
} from './file-system.js'
import type { Agreement } from './negotiation.js'
import type { Reply } from './reply-writer.js'
import { ReplyWriter } from './reply-writer.js'
import { RequestReader } from './request-reader.js'

/** The protocol's minor version that brought FOPEN_NOFLUSH. */
const noFlushMinor = 35

/**
 * Everything that answering one request needs. One object, and the ones in it, serve all requests of a
 * session in turn: a request makes no garbage but its names.
 */
export class Call {
  readonly fileSystem: FileSystem
  readonly session: Session
  readonly request: RequestReader
  readonly reply: ReplyWriter
  readonly directory: DirectoryReply
  /** Set by INIT, the first request. */
  agreement: Agreement | undefined

  readonly entry: Entry = newEntry()
  readonly attributes: AttributesReply = { attributes: new Attributes(), attributesTtlMs: 0 }
  readonly opened: OpenReply = newOpenReply()
  readonly change: AttributeChange = newAttributeChange()
  readonly statfs: StatfsReply = {
    blockBytes: 0,
    blocks: 0,
    blocksFree: 0,
    blocksAvailable: 0,
    files: 0,
    filesFree: 0,
    fragmentBytes: 0,
    nameBytesMax: 0,
  }
  readonly plan = new ReadPlan()

  readonly #onAgreement: ((agreement: Agreement) => void) | undefined

  constructor(
    fileSystem: FileSystem,
    session: Session,
    onAgreement: ((agreement: Agreement) => void) | undefined,
  ) {
    this.#onAgreement = onAgreement
    this.fileSystem = fileSystem
    this.session = session
    this.request = new RequestReader(session.request)
    this.reply = new ReplyWriter(session.reply)
    this.directory = new DirectoryReply(this.reply)
  }

  agree(agreement: Agreement): void {
    this.agreement = agreement
    this.reply.hasNoFlush = agreement.minor >= noFlushMinor
    this.#onAgreement?.(agreement)
  }

  /** `entry` for a call that fills it. */
  freshEntry(): Entry {
    const entry = this.entry
    entry.node = 0
    entry.generation = 0
    entry.entryTtlMs = 0
    entry.attributesTtlMs = 0
    return entry
  }

  freshAttributes(): AttributesReply {
    this.attributes.attributesTtlMs = 0
    return this.attributes
  }

  freshOpened(): OpenReply {
    const opened = this.opened
    opened.handle = 0
    opened.keepCache = false
    opened.cacheDirectory = false
    opened.directIo = false
    opened.dataFd = -1
    opened.guard = -1
    return opened
  }

  /** A change of nothing. */
  freshChange(): AttributeChange {
    const change = this.change
    change.mode = undefined
    change.uid = undefined
    change.gid = undefined
    change.sizeBytes = undefined
    change.atimeSec = undefined
    change.atimeNsec = 0
    change.mtimeSec = undefined
    change.mtimeNsec = 0
    change.killPrivileges = false
    return change
  }
}

/** How one kind of request is answered. */
export interface Operation {
  /** The struct that its body starts with; a shorter request is refused unseen. */
  readonly bodyBytesMin: number
  /** The kernel takes no answer, not even an error. */
  readonly isSilent?: true
  /** A failure is thrown, before anything was answered. */
  answer(call: Call): Reply
}

export type OperationList = readonly (readonly [opcode: number, operation: Operation])[]
