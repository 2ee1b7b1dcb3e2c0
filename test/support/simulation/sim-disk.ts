import type { BackgroundSync, ChunkStage } from '../../../src/base/native.js'
import type { Disk, DiskSpace, FileFacts, OpenFor } from '../../../src/store/disk.js'
import type { ElementIndex } from '../../../src/store/element-index.js'
import type { Random } from '../random.js'
import { changeName, SimDirectory, splitSynced, survivingOperations } from './sim-directory.js'
import type { NameOperation } from './sim-directory.js'
import { pageBytes, sectorBytes, SimFile, type Loss } from './sim-file.js'
import { SimIndex } from './sim-index.js'
import { SimBackgroundSync, SimStage } from './sim-stage.js'

/** One call that changes the disk. */
export interface Operation {
  readonly what: string
  readonly path: string
  /** Does it, to any copy of the disk. */
  apply(disk: SimDisk): void
  /** Does a part of it, as a process that is killed meanwhile. Only what can be done in part has this. */
  applyPartly?(disk: SimDisk, random: Random): void
}

type Watch = (operation: Operation) => void

const directoryMode = 0o040700
const fileType = 0o100000
const rootIno = 2
const diskBytes = 2 ** 40

/**
 * A disk in memory that can be copied at any moment, for next to nothing, and loses power when told to.
 *
 * What a power loss may take is what POSIX lets it take, and so more than most file systems do: of a file that was not
 * synced each page, the size and the times may be as at any time since the last sync, pages torn by sectors; of the
 * changes of names that no syncDirectory covered any may be lost, whatever came later, of a rename also the half that
 * removes the old name. A sync of a file does not cover its name.
 */
export class SimDisk implements Disk {
  /** Is told of each operation before it is done. */
  watch: Watch | undefined
  /** If given: a write to the store has room for that many bytes, and is then ENOSPC. */
  roomBytes: number | undefined
  /** If given: an index that is opened gets one bit of one value wrong, as by a disk that returns other bytes. */
  indexDamage: Random | undefined
  #token = {}
  #nodes: Map<number, SimFile | SimDirectory>
  #pendingNames: NameOperation[]
  #nextIno: number
  readonly #descriptors = new Map<number, { ino: number; path: string }>()
  readonly #locks = new Map<number, number>()
  #nextFd = 1000
  #backgroundSyncs: SimBackgroundSync[] = []

  private constructor(
    nodes: Map<number, SimFile | SimDirectory>,
    pendingNames: NameOperation[],
    nextIno: number,
  ) {
    this.#nodes = nodes
    this.#pendingNames = pendingNames
    this.#nextIno = nextIno
  }

  static empty(): SimDisk {
    const root = new SimDirectory(rootIno, {})
    return new SimDisk(new Map([[rootIno, root]]), [], rootIno + 1)
  }

  /** What a process that begins now would find, with nothing open. */
  copy(): SimDisk {
    const copy = new SimDisk(new Map(this.#nodes), [...this.#pendingNames], this.#nextIno)
    // Whoever changes a node next makes it his own first.
    this.#token = {}
    return copy
  }

  /** Everything that was open is gone, and of what was not synced any part. */
  losePower(loss: Loss, namesInOrder: boolean): void {
    this.#descriptors.clear()
    this.#locks.clear()
    this.#loseNames(loss, namesInOrder)
    for (const [ino, node] of this.#nodes) {
      if (node instanceof SimFile && !node.isSynced) {
        const file = this.#own(ino) as SimFile
        file.losePower(loss)
      }
    }
    this.#forgetUnreachable()
  }

  /** Lets time pass: what is due to be synced in the background is. */
  syncInBackground(): void {
    for (const sync of this.#backgroundSyncs) sync.syncNow()
  }

  // --- Disk

  open(path: string, openFor: OpenFor): number {
    const found = this.#find(path)
    if (openFor === 'make new' && found !== undefined) throw systemError('EEXIST', path)
    if (found === undefined && !openFor.startsWith('make')) throw systemError('ENOENT', path)
    if (found instanceof SimDirectory !== (openFor === 'directory')) {
      throw systemError(openFor === 'directory' ? 'ENOTDIR' : 'EISDIR', path)
    }
    if (found === undefined) this.#createFile(path)
    const ino = this.#nodeAt(path).ino
    const fd = this.#nextFd++
    this.#descriptors.set(fd, { ino, path })
    return fd
  }

  close(fd: number): void {
    const { ino } = this.#descriptor(fd)
    if (this.#locks.get(ino) === fd) this.#locks.delete(ino)
    this.#descriptors.delete(fd)
  }

  reopen(fd: number): number {
    const again = this.#nextFd++
    this.#descriptors.set(again, this.#descriptor(fd))
    return again
  }

  lock(fd: number): boolean {
    const { ino } = this.#descriptor(fd)
    const holder = this.#locks.get(ino)
    if (holder !== undefined && holder !== fd) return false
    this.#locks.set(ino, fd)
    return true
  }

  sizeOf(fd: number): number {
    return this.fileOf(fd).sizeBytes
  }

  read(fd: number, to: Uint8Array, at: number, bytes: number, offset: number): number {
    return this.fileOf(fd).read(to, at, bytes, offset)
  }

  write(fd: number, bytes: Uint8Array, offset: number): void {
    const { ino, path } = this.#descriptor(fd)
    const isInRoom = offset + bytes.length <= this.fileOf(fd).meta.setAsideBytes
    const room = this.#isFull(path) && !isInRoom ? (this.roomBytes ?? 0) : Infinity
    if (bytes.length > room) {
      this.#do(this.#writing(fd, bytes.subarray(0, room), offset))
      throw systemError('ENOSPC', path)
    }
    const end = offset + bytes.length
    const isSectorReplaced =
      end <= this.fileOf(fd).sizeBytes &&
      Math.floor(offset / sectorBytes) === Math.floor((end - 1) / sectorBytes)
    if (isSectorReplaced) {
      // The kernel is not interrupted within a page.
      this.#do(this.#writing(fd, bytes, offset))
      return
    }
    this.#do({
      ...this.#writing(fd, bytes, offset),
      applyPartly: (disk, random) => {
        const length = random.below(bytes.length)
        if (length > 0) disk.#ownFile(ino).write(bytes.subarray(0, length), offset)
      },
    })
  }

  truncate(fd: number, sizeBytes: number): void {
    const { ino, path } = this.#descriptor(fd)
    this.#do({
      what: 'truncate',
      path,
      apply: (disk) => {
        disk.#ownFile(ino).truncate(sizeBytes)
      },
    })
  }

  setAside(fd: number, bytes: number): void {
    const { ino, path } = this.#descriptor(fd)
    if (bytes <= this.fileOf(fd).meta.setAsideBytes) return
    if (this.#isFull(path)) throw systemError('ENOSPC', path)
    this.#do({
      what: 'set aside',
      path,
      apply: (disk) => {
        disk.#ownFile(ino).touch({ setAsideBytes: bytes })
      },
    })
  }

  space(): DiskSpace {
    return { bytes: diskBytes, bytesFree: this.roomBytes === undefined ? diskBytes : 0 }
  }

  punch(fd: number, offset: number, bytes: number): void {
    const { ino, path } = this.#descriptor(fd)
    this.#do({
      what: 'punch',
      path,
      apply: (disk) => {
        disk.#ownFile(ino).punch(offset, bytes)
      },
    })
  }

  syncData(fd: number): void {
    this.#sync(fd, true)
  }

  sync(fd: number): void {
    this.#sync(fd, false)
  }

  stat(path: string): FileFacts | undefined {
    const node = this.#find(path)
    if (node === undefined) return undefined
    if (node instanceof SimDirectory) {
      const nothing = { sizeBytes: 0, mtimeMs: 0, ctimeNs: 0n, links: 2, takenBytes: 0 }
      return { isFile: false, ino: node.ino, mode: directoryMode, ...nothing }
    }
    const { ino, sizeBytes, meta } = node
    const { mode, mtimeMs } = meta
    const ctimeNs = BigInt(meta.changes)
    const takenBytes = Math.max(meta.setAsideBytes, Math.ceil(sizeBytes / pageBytes) * pageBytes)
    const facts = { ino, sizeBytes, mode: fileType | mode, mtimeMs, ctimeNs, takenBytes }
    return { isFile: true, links: this.#linksOf(ino), ...facts }
  }

  list(path: string): string[] {
    return [...this.#directoryAt(path).names.keys()]
  }

  rename(from: string, to: string): void {
    const node = this.#nodeAt(from)
    if (from === to) return
    const [fromDirectory, fromName] = this.#split(from)
    const [toDirectory, toName] = this.#split(to)
    const before = this.#find(to)?.ino
    this.#changeNames('rename', to, [
      { directory: toDirectory, name: toName, ino: node.ino, before },
      { directory: fromDirectory, name: fromName, ino: undefined, before: node.ino },
    ])
  }

  exchange(one: string, other: string): boolean {
    const [a, b] = [this.#find(one)?.ino, this.#find(other)?.ino]
    if (a === undefined || b === undefined) return false
    const [directoryA, nameA] = this.#split(one)
    const [directoryB, nameB] = this.#split(other)
    this.#changeNames('exchange', other, [
      { directory: directoryA, name: nameA, ino: b, before: a },
      { directory: directoryB, name: nameB, ino: a, before: b },
    ])
    return true
  }

  remove(path: string): void {
    const before = this.#find(path)?.ino
    if (before === undefined) return
    const [directory, name] = this.#split(path)
    this.#changeNames('remove', path, [{ directory, name, ino: undefined, before }])
  }

  makeDirectories(path: string): string | undefined {
    if (this.#find(path) !== undefined) return undefined
    const above = path.slice(0, path.lastIndexOf('/'))
    const made = above === '' ? undefined : this.makeDirectories(above)
    const ino = this.#nextIno++
    const [directory, name] = this.#split(path)
    this.#do({
      what: 'make directory',
      path,
      apply: (disk) => {
        disk.#nextIno = Math.max(disk.#nextIno, ino + 1)
        disk.#nodes.set(ino, new SimDirectory(ino, disk.#token))
        disk.#applyNames([{ directory, name, ino, before: undefined }])
      },
    })
    return made ?? path
  }

  syncDirectory(path: string): void {
    const { ino } = this.#directoryAt(path)
    this.#do({
      what: 'sync directory',
      path,
      apply: (disk) => {
        const { synced, rest } = splitSynced(disk.#pendingNames, ino)
        for (const operation of synced) disk.#keepNames(operation)
        disk.#pendingNames = rest
      },
    })
  }

  setMode(path: string, mode: number): void {
    this.#touch('set mode', path, { mode })
  }

  setTimes(path: string, sec: number): void {
    this.#touch('set times', path, { mtimeMs: sec * 1000 })
  }

  newStage(): ChunkStage {
    return new SimStage(this)
  }

  newBackgroundSync(): BackgroundSync {
    const sync = new SimBackgroundSync(this)
    this.#backgroundSyncs = [sync]
    return sync
  }

  openIndex(directory: string): ElementIndex {
    return SimIndex.open(this, directory)
  }

  // --- for the simulation

  /** A write inside one page, which no kill can cut. */
  writeInPage(fd: number, bytes: Uint8Array, offset: number): void {
    this.#do(this.#writing(fd, bytes, offset))
  }

  fileOf(fd: number): SimFile {
    return this.#file(this.#descriptor(fd).ino)
  }

  /** Undefined if there is none, or no name leads to it. */
  fileByNumber(ino: number): SimFile | undefined {
    const node = this.#nodes.get(ino)
    return node instanceof SimFile ? node : undefined
  }

  /** Another descriptor of what has that number. */
  openByNumber(ino: number): number {
    this.#file(ino)
    const fd = this.#nextFd++
    this.#descriptors.set(fd, { ino, path: `#${ino}` })
    return fd
  }

  numberOf(path: string): number | undefined {
    return this.#find(path)?.ino
  }

  /** The names in a directory and what they lead to. */
  namesIn(path: string): ReadonlyMap<string, number> {
    return this.#directoryAt(path).names
  }

  /** Bytes and names of every file below a directory are on the disk. */
  syncAll(path: string): void {
    for (const [name, ino] of this.#directoryAt(path).names) {
      const node = this.#nodes.get(ino)
      if (node instanceof SimDirectory) this.syncAll(`${path}/${name}`)
      else if (node?.isSynced === false) {
        const fd = this.openByNumber(ino)
        this.sync(fd)
        this.close(fd)
      }
    }
    this.syncDirectory(path)
  }

  #writing(fd: number, bytes: Uint8Array, offset: number): Operation {
    const { ino, path } = this.#descriptor(fd)
    const apply = (disk: SimDisk): void => {
      disk.#ownFile(ino).write(bytes, offset)
    }
    return { what: 'write', path, apply }
  }

  #isFull(path: string): boolean {
    return this.roomBytes !== undefined && path.startsWith('/store')
  }

  #linksOf(ino: number): number {
    let links = 0
    for (const node of this.#nodes.values()) {
      if (!(node instanceof SimDirectory)) continue
      for (const named of node.names.values()) if (named === ino) links++
    }
    return links
  }

  #createFile(path: string): void {
    const ino = this.#nextIno++
    const [directory, name] = this.#split(path)
    this.#do({
      what: 'create',
      path,
      apply: (disk) => {
        disk.#nextIno = Math.max(disk.#nextIno, ino + 1)
        disk.#nodes.set(ino, new SimFile(ino, disk.#token))
        disk.#applyNames([{ directory, name, ino, before: undefined }])
      },
    })
  }

  #sync(fd: number, dataOnly: boolean): void {
    const { ino, path } = this.#descriptor(fd)
    this.#do({
      what: dataOnly ? 'sync data' : 'sync',
      path,
      apply: (disk) => {
        disk.#ownFile(ino).sync(dataOnly)
      },
    })
  }

  #touch(what: string, path: string, changed: { mode?: number; mtimeMs?: number }): void {
    const { ino } = this.#nodeAt(path)
    this.#do({
      what,
      path,
      apply: (disk) => {
        const node = disk.#own(ino)
        if (node instanceof SimFile) node.touch(changed)
      },
    })
  }

  #changeNames(what: string, path: string, operation: NameOperation): void {
    this.#do({
      what,
      path,
      apply: (disk) => {
        disk.#applyNames(operation)
      },
    })
  }

  #do(operation: Operation): void {
    this.watch?.(operation)
    operation.apply(this)
  }

  #applyNames(operation: NameOperation): void {
    for (const change of operation) {
      changeName((this.#own(change.directory) as SimDirectory).names, change)
    }
    this.#pendingNames.push(operation)
  }

  #keepNames(operation: NameOperation): void {
    for (const change of operation) {
      changeName((this.#own(change.directory) as SimDirectory).synced, change)
    }
  }

  #loseNames({ random, keeps }: Loss, inOrder: boolean): void {
    const pending = this.#pendingNames
    this.#pendingNames = []
    const surviving = inOrder
      ? pending.slice(0, random.below(pending.length + 1))
      : survivingOperations(
          pending,
          () => random.isLikely(keeps),
          () => random.isLikely(0.2),
        )
    for (const operation of surviving) this.#keepNames(operation)
    for (const [ino, node] of this.#nodes) {
      if (!(node instanceof SimDirectory)) continue
      if (pending.some((operation) => operation.some((change) => change.directory === ino))) {
        this.#nodes.set(ino, new SimDirectory(ino, this.#token, node.synced, node.synced))
      }
    }
  }

  #forgetUnreachable(): void {
    const reached = new Set<number>()
    const visit = (ino: number): void => {
      if (reached.has(ino)) return
      reached.add(ino)
      const node = this.#nodes.get(ino)
      if (node instanceof SimDirectory) for (const below of node.names.values()) visit(below)
    }
    visit(rootIno)
    for (const ino of this.#nodes.keys()) if (!reached.has(ino)) this.#nodes.delete(ino)
  }

  #own(ino: number): SimFile | SimDirectory {
    const node = this.#nodes.get(ino)
    if (node === undefined) throw new Error(`no inode ${ino}`)
    if (node.owner === this.#token) return node
    const own = node.copy(this.#token)
    this.#nodes.set(ino, own)
    return own
  }

  #ownFile(ino: number): SimFile {
    this.#file(ino)
    return this.#own(ino) as SimFile
  }

  #file(ino: number): SimFile {
    const node = this.#nodes.get(ino)
    if (!(node instanceof SimFile)) throw new Error(`inode ${ino} is no file`)
    return node
  }

  #descriptor(fd: number): { ino: number; path: string } {
    const found = this.#descriptors.get(fd)
    if (found === undefined) throw systemError('EBADF', `descriptor ${fd}`)
    return found
  }

  #find(path: string): SimFile | SimDirectory | undefined {
    let node = this.#nodes.get(rootIno)
    for (const name of path.split('/')) {
      if (name === '') continue
      if (!(node instanceof SimDirectory)) return undefined
      const ino = node.names.get(name)
      node = ino === undefined ? undefined : this.#nodes.get(ino)
    }
    return node
  }

  #nodeAt(path: string): SimFile | SimDirectory {
    const node = this.#find(path)
    if (node === undefined) throw systemError('ENOENT', path)
    return node
  }

  #directoryAt(path: string): SimDirectory {
    const node = this.#nodeAt(path)
    if (!(node instanceof SimDirectory)) throw systemError('ENOTDIR', path)
    return node
  }

  /** The number of the directory, and the name in it. */
  #split(path: string): [number, string] {
    const slash = path.lastIndexOf('/')
    return [this.#directoryAt(path.slice(0, slash)).ino, path.slice(slash + 1)]
  }
}

const errnos: Record<string, number> = {
  ENOENT: 2,
  EBADF: 9,
  EEXIST: 17,
  ENOTDIR: 20,
  EISDIR: 21,
  ENOSPC: 28,
}

/** As node:fs throws them. */
function systemError(code: string, path: string): Error {
  const errno = -(errnos[code] ?? 5)
  return Object.assign(new Error(`${code}: ${path}`), { code, errno, path })
}
