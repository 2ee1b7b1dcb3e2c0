import { checked, FsError } from '../base/errno.js'
import type { Native } from '../base/native.js'
import { FileFlagsCommand, O } from '../base/open-flags.js'
import { actingAs } from './acting-as.js'
import type { Identity } from './acting-as.js'
import type { Origin } from './origin.js'
import type { OriginNode } from './origin-node.js'
import type { Preserver } from './preserver.js'

/** FS_CASEFOLD_FL: names that differ only in case are one name from then on. */
const caseFold = 0x40000000

/** FS_IMMUTABLE_FL, FS_APPEND_FL */
const immutableOrAppendOnly = 0x10 | 0x20
const flagsBytes = 4

/** FS_XFLAG_PROJINHERIT: only files of the directory's own project may be moved into it. */
const projectInherit = 0x200
const extendedBytes = 28

/** What lsattr(1) and chattr(1) show and set, on the origin's files. Snapshots keep the times they change, not the flags. */
export class FileFlags {
  readonly #origin: Origin
  readonly #preserver: Preserver

  constructor(origin: Origin, preserver: Preserver) {
    this.#origin = origin
    this.#preserver = preserver
  }

  /** `fd`: the node's, open. `value`: the command's argument, which a get fills. */
  carryOut(
    node: OriginNode,
    fd: number,
    command: FileFlagsCommand,
    value: Uint8Array,
    caller: Identity,
  ): void {
    const { native } = this.#origin
    if (command === FileFlagsCommand.get || command === FileFlagsCommand.getExtended) {
      checked(native.fileFlags(fd, command, value), 'get the flags')
      return
    }
    if (command === FileFlagsCommand.set) this.#refuseFolding(fd, value)
    this.#preserver.begin().attributes(node).commit()
    const change = () => native.fileFlags(fd, command, value)
    checked(actingAs(native, caller, change), 'set the flags')
  }

  /** A snapshot could not tell such names apart. The other command has no such flag. */
  #refuseFolding(fd: number, value: Uint8Array): void {
    const before = new Uint8Array(value.length)
    checked(this.#origin.native.fileFlags(fd, FileFlagsCommand.get, before), 'get the flags')
    const isNew = (flagsOf(value) & caseFold) !== 0 && (flagsOf(before) & caseFold) === 0
    if (isNew) throw new FsError('EOPNOTSUPP', 'names must stay case-sensitive')
  }
}

/**
 * Lets files of any project be moved into a directory of bygone's own, which has got the flag by where it stands.
 * `fd`: O_PATH will do. Where there are no projects, nothing happens.
 */
export function admitAllProjects(native: Native, fd: number): void {
  const opened = native.reopen(fd, O.RDONLY | O.DIRECTORY)
  if (opened < 0) return
  const value = new Uint8Array(extendedBytes)
  const isKnown = native.fileFlags(opened, FileFlagsCommand.getExtended, value) >= 0
  if (isKnown && (flagsOf(value) & projectInherit) !== 0) {
    new DataView(value.buffer).setUint32(0, flagsOf(value) & ~projectInherit, true)
    native.fileFlags(opened, FileFlagsCommand.setExtended, value)
  }
  native.close(opened)
}

/** Whether flags forbid that a directory, or what is in it, loses its name. `fd`: O_PATH will do. */
export function isNameFixed(native: Native, fd: number): boolean {
  const opened = native.reopen(fd, O.RDONLY | O.DIRECTORY)
  if (opened < 0) return false
  const value = new Uint8Array(flagsBytes)
  const isKnown = native.fileFlags(opened, FileFlagsCommand.get, value) >= 0
  native.close(opened)
  return isKnown && (flagsOf(value) & immutableOrAppendOnly) !== 0
}

function flagsOf(value: Uint8Array): number {
  return new DataView(value.buffer, value.byteOffset).getUint32(0, true)
}
