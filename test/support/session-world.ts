import { closeSync, ftruncateSync, lstatSync } from 'node:fs'
import { join } from 'node:path'
import { FileType } from '../../src/base/attributes.js'
import type { ByteString } from '../../src/base/bytes.js'
import { checked } from '../../src/base/errno.js'
import { KeptDescriptors } from '../../src/base/kept-descriptors.js'
import { native } from '../../src/base/native.js'
import { SharedLog } from '../../src/base/shared-log.js'
import type { FileSystem } from '../../src/fuse/file-system.js'
import type { Handle } from '../../src/view/handle-table.js'
import type { Intent } from '../../src/view/intent.js'
import { SessionLog } from '../../src/view/session-log.js'
import type { SessionState } from '../../src/view/session-writer.js'
import type { ViewNode } from '../../src/view/view-node.js'
import { OriginNode } from '../../src/volume/origin-node.js'
import { PastNode } from '../../src/volume/past-node.js'
import { ViewDriver } from './view-driver.js'
import { VolumeWorld } from './volume-world.js'

const pageBytes = 4096
const descriptorsMax = 4096
const resentBit = 0x80000000

export interface SessionTables {
  nodes: Map<number, string>
  handles: Map<number, string>
  next: number[]
}

type ViewDirectory = OriginNode | PastNode

/** Thrown in the place of what a request was about to do when the process was killed. */
export class Killed extends Error {}

/** A session log that tells its state, and may kill before an act whose intent is on record. */
class WatchedLog extends SessionLog {
  state: SessionState | undefined
  /** Where the log ended just before the last act whose intent is on record; 0: there was none. */
  intentEnd = 0
  isToKill = false

  /** What another process would find. */
  get committed(): number {
    return this.log.view.getUint32(0, true)
  }

  override attach(state: SessionState): void {
    this.state = state
    super.attach(state)
  }

  override intends(intent: Intent): void {
    super.intends(intent)
    this.#intended()
  }

  override held(node: OriginNode): void {
    super.held(node)
    if (this.intentEnd > 0) this.intentEnd = this.committed
  }

  override removes(...names: Parameters<SessionLog['removes']>): void {
    super.removes(...names)
    this.#intended()
  }

  override links(...names: Parameters<SessionLog['links']>): void {
    super.links(...names)
    this.#intended()
  }

  override moves(...names: Parameters<SessionLog['moves']>): void {
    super.moves(...names)
    this.#intended()
  }

  #intended(): void {
    this.intentEnd = this.committed
    if (this.isToKill) throw new Killed()
  }
}

/** A volume in this process whose view keeps a session log, that can be taken over by another one. */
export class SessionWorld {
  readonly world: VolumeWorld
  /** What the kernel knows stays, whoever serves. */
  readonly driver: ViewDriver
  readonly kept: KeptDescriptors
  /** Marked by others than this volume. */
  readonly othersKept = new Set<number>()
  readonly #keptFd = checked(native().memoryFile('test-kept'), 'memory')
  readonly #garbageMin: number
  #pageFd = -1
  #log: WatchedLog | undefined
  #unique = 0
  #last: { method: keyof FileSystem; args: unknown[] } | undefined

  /** `garbageMin`: of the log, in bytes; a little, so that it is made smaller again and again. */
  constructor(chunkBytes: number, garbageMin = 200) {
    this.#garbageMin = garbageMin
    ftruncateSync(this.#keptFd, descriptorsMax)
    this.kept = new KeptDescriptors(native(), this.#keptFd, descriptorsMax)
    this.world = new VolumeWorld(chunkBytes)
    this.world.close()
    this.driver = new ViewDriver(this.#requests())
    this.world.open(this.#newLog())
  }

  get log(): WatchedLog {
    if (this.#log === undefined) throw new Error('there is no session')
    return this.#log
  }

  /** The request that came last comes again: a predecessor has left it unanswered. */
  resendLast(): unknown {
    if (this.#last === undefined) throw new Error('there was no request')
    const { method, args } = this.#last
    return this.#request(method, args, resentBit)
  }

  /** What is committed of the log. */
  bytes(): Buffer {
    const { log, committed } = this.log
    return Buffer.from(log.bytes.subarray(0, committed))
  }

  /** The process is killed between two requests, or when the log ended at `end`, and another one takes over. */
  takeOver(end = this.log.committed): ReturnType<VolumeWorld['open']> {
    const left = this.bytes().subarray(0, end)
    const { fd } = this.log.log
    this.world.die()
    this.kept.drop(fd)
    closeSync(fd)
    return this.takeOverFrom(left)
  }

  /** The same, from a log that has these bytes. */
  takeOverFrom(bytes: Buffer): ReturnType<VolumeWorld['open']> {
    const shared = SharedLog.create(native(), Math.max(pageBytes, bytes.length))
    bytes.copy(shared.bytes)
    shared.end = bytes.length
    shared.commit()
    const log = this.#newLog(shared.fd)
    const taken = this.world.open(log, true)
    const needed = new Set([...(taken?.descriptors ?? []), ...this.othersKept])
    for (const fd of this.kept.all().filter((each) => !needed.has(each))) {
      this.kept.drop(fd)
      closeSync(fd)
    }
    return taken
  }

  /** Ends it in good order. */
  remove(): void {
    this.driver.forgetAll()
    this.world.remove()
  }

  /** All that the kernel knows, and where it leads, in words that can be compared. */
  tables(): SessionTables {
    const { state } = this.log
    if (state === undefined) throw new Error('there is no state')
    const nodes = new Map<number, string>()
    for (const node of state.nodes()) {
      // Of a snapshot that is deleted a successor knows nothing, which the kernel is told as before: ESTALE.
      const isGone = node instanceof PastNode && node.tree.isDeleted
      if (node.id !== 1 && !isGone) nodes.set(node.id, wordsOf(node, state))
    }
    const handles = new Map<number, string>()
    for (const [number, handle] of state.handles()) {
      // Also what is about to be closed: the kernel has forgotten its node.
      const isGone =
        handle.kind === 'past' && (handle.file.tree.isDeleted || handle.file.node.lookups === 0)
      if (!isGone) handles.set(number, wordsOfHandle(handle))
    }
    return { nodes, handles, next: [state.nextId, state.nextHandle, state.sessionGeneration] }
  }

  /** What a node's places are is not only what was known: it is so. */
  placesThatAreNot(): string[] {
    const wrong: string[] = []
    for (const [id, words] of this.tables().nodes) {
      const { places = [], object } = JSON.parse(words) as { places?: string[]; object: number }
      for (const place of places) {
        const found = lstatSync(join(this.world.origin, place), { throwIfNoEntry: false })?.ino
        if (found !== object) wrong.push(`node ${id}: ${place} is ${found}, not ${object}`)
      }
    }
    return wrong
  }

  /** The nodes without their numbers, which are others in another world. */
  nodesWithoutNumbers(): string[] {
    const words = [...this.tables().nodes.values()].map((each) =>
      JSON.stringify({ ...(JSON.parse(each) as object), object: 0, generation: 0 }),
    )
    return words.map((each) => each.replaceAll(/retired\/[0-9a-f]+/g, 'retired/*')).sort()
  }

  #newLog(logFd = -1): WatchedLog {
    if (this.#pageFd >= 0) closeSync(this.#pageFd)
    this.#pageFd = checked(native().memoryFile('test-page'), 'memory')
    ftruncateSync(this.#pageFd, pageBytes)
    if (logFd >= 0) {
      const page = native().mapShared(this.#pageFd, pageBytes)
      if (typeof page === 'number') throw new Error('no memory')
      new Int32Array(page)[0] = logFd
      this.kept.keep(logFd)
    }
    this.#log = new WatchedLog(native(), this.#pageFd, this.kept, {
      onServed: () => undefined,
      garbageMin: this.#garbageMin,
      stepNodes: 5,
    })
    return this.#log
  }

  /** The view as the dispatcher uses it. */
  #requests(): FileSystem {
    return new Proxy({} as FileSystem, {
      get:
        (_, method: keyof FileSystem) =>
        (...args: unknown[]): unknown => {
          // As the kernel counts them.
          this.#unique += 2
          if (method !== 'forget') this.#last = { method, args }
          return this.#request(method, args, 0)
        },
    })
  }

  #request(method: keyof FileSystem, args: unknown[], high: number): unknown {
    const { view } = this.world
    view.begins(high, this.#unique, method === 'forget')
    try {
      const call = Reflect.get(view, method) as (...args: unknown[]) => unknown
      return call.apply(view, args)
    } finally {
      view.ends()
    }
  }
}

/** From the origin, or the root of the snapshot. */
function pathOf(directory: ViewDirectory, name: ByteString, retired?: ViewDirectory): string {
  const names: string[] = [name]
  let at = directory
  for (; at.parent !== undefined; at = at.parent) names.push(at.name)
  if (at === retired) names.push('.bygone/retired')
  return names.reverse().join('/')
}

function wordsOf(node: ViewNode, state: SessionState): string {
  if (node instanceof OriginNode) {
    const { object, type, lookups, generation, isForeign, isByNumber, hasRetiredLink } = node
    const [, retired] = state.permanent
    const first = node.parent && pathOf(node.parent, node.name, retired)
    const others = [...(node.otherPlaces ?? [])].map((place) =>
      pathOf(place.parent, place.name, retired),
    )
    const places = [...(first === undefined ? [] : [first]), ...others].sort()
    const isHeld = node.heldFd >= 0
    const flags = { isForeign, isByNumber, hasRetiredLink, isHeld }
    return JSON.stringify({ object, type, lookups, generation, places, ...flags })
  }
  if (node instanceof PastNode) {
    const { object, type, lookups, isForeign } = node
    // Of several names of a file in a snapshot one is as good as another.
    const isDirectory = type === FileType.directory
    const path = isDirectory && node.parent && pathOf(node.parent, node.name)
    return JSON.stringify({ tree: state.treeOf(node)?.key, object, type, lookups, isForeign, path })
  }
  return JSON.stringify({ lookups: node.lookups })
}

function wordsOfHandle(handle: Handle): string {
  if (handle.kind === 'live') {
    const { node, fd, isSynchronous, isWriting, isAppending, opener } = handle
    const flags = { isSynchronous, isWriting, isAppending }
    return JSON.stringify({ object: node.object, fd, ...flags, opener })
  }
  if (handle.kind === 'past') {
    const { node, sizeBytes, fd } = handle.file
    return JSON.stringify({ object: node.object, label: node.tree.label, sizeBytes, fd })
  }
  const object = handle.node instanceof OriginNode ? handle.node.object : handle.node.id
  return JSON.stringify({ directory: object, fd: handle.fd })
}
