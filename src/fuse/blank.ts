import { Attributes } from '../base/attributes.js'
import type { AttributeChange, Entry, OpenReply } from './file-system.js'

/** The objects that a FileSystem call fills or reads, as they are before it: for whoever makes such calls. */

export function newEntry(): Entry {
  return { node: 0, generation: 0, attributes: new Attributes(), entryTtlMs: 0, attributesTtlMs: 0 }
}

export function newOpenReply(): OpenReply {
  return {
    handle: 0,
    keepCache: false,
    cacheDirectory: false,
    directIo: false,
    dataFd: -1,
    guard: -1,
  }
}

/** A change of nothing. */
export function newAttributeChange(): AttributeChange {
  return {
    mode: undefined,
    uid: undefined,
    gid: undefined,
    sizeBytes: undefined,
    atimeSec: undefined,
    atimeNsec: 0,
    mtimeSec: undefined,
    mtimeNsec: 0,
    killPrivileges: false,
  }
}
