import { setImmediate as nextTurn } from 'node:timers/promises'
import { FileType } from '../base/attributes.js'
import type { ByteString } from '../base/bytes.js'
import { checked, FsError, fsErrorOf, isErrno } from '../base/errno.js'
import type { Native } from '../base/native.js'
import { AT_REMOVEDIR, O } from '../base/open-flags.js'
import { kernelDevice, secondsOf } from '../base/system-stat.js'
import { factsOf, isDirectory, permissionsOf } from './facts.js'
import type { Facts } from './facts.js'
import { dataChanges, makeDataChange } from './file-data.js'
import type { RestorePlan, RestoreProblem, RestoreStep } from './restore-plan.js'
import { keyOf, nameOf, parentOf } from './tree-side.js'
import type { Path, TreeSide } from './tree-side.js'
import { setXattrs, xattrsOf } from './xattrs.js'

/** What ends a restore, for the next file would meet it too. */
const fatalCodes: ReadonlySet<string> = new Set([
  'ENOSPC',
  'EDQUOT',
  'ENOTCONN',
  'EMFILE',
  'ENFILE',
])

/** How long nothing else is done in this thread. */
const turnMs = 20

/** Of what is new until it is whole. */
const privateMode = 0o600
const ownerAll = 0o700

export interface ChangeOptions {
  isStopped: () => boolean
  onStep: (done: number) => void
}

export interface ChangeReport {
  /** Steps that were carried out, whole. */
  done: number
  isStopped: boolean
  problems: RestoreProblem[]
}

/**
 * Carries out a plan. A new file appears whole or not at all (where the file system has files without a name); one that
 * stays the same is changed in place, where it differs. Directories get their attributes and times last.
 */
export class TreeChange {
  readonly #native: Native
  readonly #past: TreeSide
  readonly #live: TreeSide
  readonly #selection: Path
  readonly #unfinished = new Map<string, Path>()
  readonly #opened = new Set<string>()
  readonly #problems: RestoreProblem[] = []
  #lastTurnMs = Date.now()
  readonly #isRoot = process.geteuid?.() === 0
  readonly #uid = process.geteuid?.() ?? 0
  readonly #gid = process.getegid?.() ?? 0

  /** What lies above `selection` keeps its attributes. */
  constructor(native: Native, past: TreeSide, live: TreeSide, selection: Path) {
    this.#native = native
    this.#past = past
    this.#live = live
    this.#selection = selection
  }

  /** Throws the FsError that stops everything; what was done so far stays done. */
  async run(plan: RestorePlan, { isStopped, onStep }: ChangeOptions): Promise<ChangeReport> {
    let done = 0
    try {
      for (const [at, step] of plan.steps.entries()) {
        await this.#breathe()
        if (isStopped()) break
        if (await this.#attempt(step.path, () => this.#do(step))) done++
        onStep(at + 1)
      }
    } finally {
      // Also when it ends early: those that were opened for us are closed again.
      await this.#finishDirectories()
    }
    return { done, isStopped: isStopped(), problems: this.#problems }
  }

  /** Lets signals in. */
  async #breathe(): Promise<void> {
    if (Date.now() - this.#lastTurnMs < turnMs) return
    await nextTurn()
    this.#lastTurnMs = Date.now()
  }

  async #do(step: RestoreStep): Promise<void> {
    switch (step.kind) {
      case 'remove':
        this.#remove(step.path)
        break
      case 'create':
        if (step.replaces) this.#remove(step.path)
        await this.#create(step.path)
        break
      case 'link':
        if (step.replaces) this.#remove(step.path)
        this.#link(step.path, step.to)
        break
      case 'change':
        await this.#change(step)
        break
    }
  }

  #remove(path: Path): void {
    this.#openParent(path)
    this.#live.leave(path)
    const directory = this.#live.directory(parentOf(path))
    const name = nameOf(path)
    const result = this.#native.unlinkAt(directory, name, 0)
    if (result >= 0) return
    const error = fsErrorOf(result, 'remove')
    if (error.code === 'ENOENT') return
    if (error.code !== 'EISDIR') throw error
    for (const inner of this.#live.names(path)) this.#remove([...path, inner])
    this.#live.leave(path)
    const above = this.#live.directory(parentOf(path))
    checked(this.#native.unlinkAt(above, name, AT_REMOVEDIR), 'remove a directory')
  }

  async #create(path: Path): Promise<void> {
    const past = this.#pastFacts(path)
    this.#openParent(path)
    const [directory, name] = [this.#live.directory(parentOf(path)), nameOf(path)]
    const [uid, gid] = [this.#uid, this.#gid]
    switch (past.type) {
      case FileType.directory:
        checked(this.#native.mkdirAt(directory, name, ownerAll, uid, gid, 0), 'make a directory')
        this.#unfinished.set(keyOf(path), path)
        return
      case FileType.regular:
        await this.#createFile(path, past)
        return
      case FileType.symlink: {
        const target = this.#past.with(path, O.PATH, (fd) =>
          this.#native.readlinkAt(fd, '' as ByteString),
        )
        if (typeof target === 'number') throw fsErrorOf(target, 'read a link')
        checked(this.#native.symlinkAt(target, directory, name, uid, gid), 'make a link')
        break
      }
      default: {
        const mode = past.type | privateMode
        const device = kernelDevice(past.stat.rdev)
        checked(this.#native.mknodAt(directory, name, mode, device, uid, gid, 0), 'make a node')
      }
    }
    this.#live.with(path, O.PATH, (fd) => {
      this.#setAttributes(path, past, fd)
    })
  }

  async #createFile(path: Path, past: Facts): Promise<void> {
    const directory = this.#live.directory(parentOf(path))
    const made = this.#native.createAt(
      directory,
      '' as ByteString,
      O.RDWR | O.TMPFILE,
      privateMode,
      this.#uid,
      this.#gid,
      0,
    )
    const isNamed =
      made < 0 && isErrno(fsErrorOf(made, ''), 'EOPNOTSUPP', 'ENOSYS', 'EISDIR', 'EINVAL')
    const fd = isNamed ? this.#createNamed(path) : checked(made, 'make a file')
    try {
      await this.#copy(path, past, fd)
      this.#setAttributes(path, past, fd)
      if (isNamed) return
      const above = this.#live.directory(parentOf(path))
      checked(this.#native.linkPath(fd, above, nameOf(path)), 'name a file')
    } catch (error) {
      if (isNamed) this.#native.unlinkAt(this.#live.directory(parentOf(path)), nameOf(path), 0)
      throw error
    } finally {
      this.#native.close(fd)
    }
  }

  #createNamed(path: Path): number {
    const directory = this.#live.directory(parentOf(path))
    const flags = O.RDWR | O.EXCL | O.NOFOLLOW
    const [uid, gid] = [this.#uid, this.#gid]
    return checked(
      this.#native.createAt(directory, nameOf(path), flags, privateMode, uid, gid, 0),
      'make a file',
    )
  }

  #link(path: Path, to: Path): void {
    this.#openParent(path)
    this.#live.with(to, O.PATH, (fd) => {
      const directory = this.#live.directory(parentOf(path))
      checked(this.#native.linkPath(fd, directory, nameOf(path)), 'link')
    })
  }

  async #change({ path, what }: Extract<RestoreStep, { kind: 'change' }>): Promise<void> {
    const past = this.#pastFacts(path)
    if (isDirectory(past)) {
      this.#unfinished.set(keyOf(path), path)
      return
    }
    if (what.includes('content') && !(await this.#changeContent(path, past))) {
      this.#remove(path)
      await this.#create(path)
      return
    }
    this.#live.with(path, O.PATH, (fd) => {
      this.#setAttributes(path, past, fd)
    })
  }

  /** False: it is a program that runs, so another file must take its place. */
  async #changeContent(path: Path, past: Facts): Promise<boolean> {
    let fd: number
    try {
      fd = this.#openToWrite(path)
    } catch (error) {
      if (isErrno(error, 'ETXTBSY')) return false
      throw error
    }
    try {
      await this.#copy(path, past, fd)
      return true
    } finally {
      this.#native.close(fd)
    }
  }

  #openToWrite(path: Path): number {
    const flags = O.RDWR | O.NONBLOCK
    try {
      return this.#live.open(path, flags)
    } catch (error) {
      // An owner may give himself the right; root has it.
      if (this.#isRoot || !isErrno(error, 'EACCES')) throw error
      this.#live.with(path, O.PATH, (fd) => {
        checked(this.#native.chmodPath(fd, permissionsOf(factsOf(fd)) | privateMode), 'chmod')
      })
      return this.#live.open(path, flags)
    }
  }

  async #copy(path: Path, past: Facts, fd: number): Promise<void> {
    const from = this.#past.open(path, O.RDONLY | O.NONBLOCK)
    try {
      const to = { fd, size: Number(factsOf(fd).stat.size) }
      const source = { fd: from, size: Number(past.stat.size) }
      for (const change of dataChanges(this.#native, source, to)) {
        makeDataChange(this.#native, fd, change)
        await this.#breathe()
      }
    } finally {
      this.#native.close(from)
    }
  }

  /** In the order in which none undoes another: chown takes set-user-ID and capabilities away, an ACL sets the mode. */
  #setAttributes(path: Path, past: Facts, fd: number): void {
    const live = factsOf(fd)
    const { uid, gid, atimeNs, mtimeNs } = past.stat
    if (uid !== live.stat.uid || gid !== live.stat.gid) {
      checked(this.#native.chownPath(fd, Number(uid), Number(gid)), 'chown')
    }
    const xattrs = this.#past.with(path, O.PATH, (from) => xattrsOf(this.#native, from))
    setXattrs(this.#native, fd, xattrs)
    const isLink = past.type === FileType.symlink
    if (!isLink && permissionsOf(factsOf(fd)) !== permissionsOf(past)) {
      checked(this.#native.chmodPath(fd, permissionsOf(past)), 'chmod')
    }
    const [atimeSec, atimeNsec] = secondsOf(atimeNs)
    const [mtimeSec, mtimeNsec] = secondsOf(mtimeNs)
    checked(this.#native.utimensPath(fd, atimeSec, atimeNsec, mtimeSec, mtimeNsec), 'set times')
  }

  /** A directory whose names are about to change: its times are put right at the end. */
  #openParent(path: Path): void {
    const parent = parentOf(path)
    const key = keyOf(parent)
    if (path.length <= this.#selection.length) return
    this.#unfinished.set(key, parent)
    // Root needs no leave; an owner may give it to himself.
    if (this.#isRoot || this.#opened.has(key)) return
    this.#opened.add(key)
    this.#live.with(parent, O.PATH | O.DIRECTORY, (fd) => {
      const mode = permissionsOf(factsOf(fd))
      if ((mode & ownerAll) === ownerAll) return
      checked(this.#native.chmodPath(fd, mode | ownerAll), 'chmod a directory')
    })
  }

  /** The deepest first: what is done in one moves the times of no other, but opening one needs those above. */
  async #finishDirectories(): Promise<void> {
    const paths = [...this.#unfinished.values()].sort((a, b) => b.length - a.length)
    for (const path of paths) {
      await this.#attempt(path, () => {
        this.#finishDirectory(path)
      })
    }
  }

  #finishDirectory(path: Path): void {
    try {
      const past = this.#pastFacts(path)
      if (!isDirectory(past)) return
      this.#live.with(path, O.PATH | O.DIRECTORY, (fd) => {
        this.#setAttributes(path, past, fd)
      })
    } catch (error) {
      // Removed with what was above it; or it could not be made, of which was told.
      if (!isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) throw error
    }
  }

  #pastFacts(path: Path): Facts {
    const past = path.length === 0 ? this.#past.rootFacts() : this.#past.facts(path)
    if (past === undefined) throw new FsError('ENOENT', 'the snapshot has it no more')
    return past
  }

  async #attempt(path: Path, work: () => void | Promise<void>): Promise<boolean> {
    try {
      await work()
      return true
    } catch (error) {
      const isOfOne = error instanceof FsError && !fatalCodes.has(error.code)
      if (!isOfOne) throw error
      this.#problems.push({ path, message: error.message })
      return false
    }
  }
}
