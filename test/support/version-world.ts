import assert from 'node:assert'
import { restoreVersionTree, versionTreeRecord } from '../../src/version/version-tree-record.js'
import { VersionTree } from '../../src/version/version-tree.js'
import { originTag, type Tag } from '../../src/version/version.js'
import type { Choose } from './random.js'
import { VersionOracle, type Content } from './version-oracle.js'
import { VersionStore } from './version-store.js'

export interface WorldOptions {
  readonly addresses: number
  /** Above it, versions are deleted rather than made. */
  readonly visibleMax: number
  readonly hasClones: boolean
  readonly hasRollback: boolean
  /** Whether each delete is swept within its operation, or in the background between others. */
  readonly isSweptAtOnce: boolean
}

/** A version tree, a store that follows it and the oracle, changed together by random operations. */
export class VersionWorld {
  readonly options: WorldOptions
  readonly store: VersionStore
  readonly oracle: VersionOracle
  tree = new VersionTree()
  /** Addresses that the sweep under way has not visited. */
  unvisited = new Set<number>()
  /** Whether a version was deleted after the sweep under way began. */
  hasNewDelete = false
  /** What the last operation was, for the report of a failure. */
  lastOperation = 'nothing yet'
  readonly #choose: Choose
  #stampNext = 1

  constructor(options: WorldOptions, choose: Choose) {
    this.options = options
    this.#choose = choose
    const origin = Array.from({ length: options.addresses }, () => this.#newContent())
    this.store = new VersionStore(origin)
    this.oracle = new VersionOracle(origin)
  }

  /** The visible versions but the origin. */
  get tags(): Tag[] {
    return [...this.oracle.contents.keys()].filter((tag) => tag !== originTag)
  }

  operate(): void {
    const { hasClones, hasRollback, isSweptAtOnce, visibleMax } = this.options
    const isFull = this.tags.length >= visibleMax
    // Each as often as it is named: `many` of the operations that a workload is made of.
    const operations = [
      ...many(isFull ? 0 : 2, () => this.#snapshotOrigin()),
      ...many(isFull || !hasClones ? 0 : 3, () => this.#snapshotOf()),
      ...many(4, () => this.#write(originTag)),
      ...many(hasClones ? 8 : 0, () => this.#write(this.#anyTag())),
      ...many(hasRollback ? 1 : 0, () => this.#rollback()),
      ...many(isFull ? 6 : 2, () => this.#delete()),
      ...many(isSweptAtOnce ? 0 : 10, () => this.#sweepOn()),
      () => this.#restart(),
    ]
    this.lastOperation = this.#pick(operations)()
  }

  /** Deletes all and sweeps until nothing is left to sweep. */
  empty(): void {
    for (const tag of this.tags) this.#deleteTag(tag)
    this.#sweepAll()
    this.lastOperation = 'delete everything'
  }

  #snapshotOrigin(): string {
    const tag = this.tree.snapshotOrigin()
    this.oracle.snapshot(originTag, tag)
    return `snapshot ${tag} of the origin`
  }

  #snapshotOf(): string {
    const of = this.#anyTag()
    if (of === undefined) return 'nothing to clone'
    const tag = this.tree.snapshotOf(of)
    this.oracle.snapshot(of, tag)
    return `snapshot ${tag} of ${of}`
  }

  #write(tag: Tag | undefined): string {
    if (tag === undefined) return 'nothing to write'
    const address = this.#choose(this.options.addresses)
    const { left, right } = this.#newContent()
    const change = this.#pick([{ left, right }, { left }, { right }])
    this.store.write(this.tree, tag, address, change)
    this.oracle.write(tag, address, change)
    return `write ${Object.keys(change).join(' and ')} of address ${address} in ${tag}`
  }

  #rollback(): string {
    const tag = this.#anyTag()
    if (tag === undefined) return 'nothing to roll back to'
    const address = this.#choose(this.options.addresses)
    this.store.rollback(this.tree, tag, address)
    this.oracle.rollback(tag, address)
    return `roll address ${address} back to ${tag}`
  }

  #delete(): string {
    const tag = this.#anyTag()
    if (tag === undefined) return 'nothing to delete'
    this.#deleteTag(tag)
    if (this.options.isSweptAtOnce) this.#sweepAll()
    return `delete ${tag}`
  }

  #deleteTag(tag: Tag): void {
    this.tree.beginDelete(tag)
    this.oracle.delete(tag)
    this.hasNewDelete = true
  }

  /** One step of the background job: begin, visit an address, or finish. */
  #sweepOn(): string {
    if (this.tree.sweeping === undefined) {
      if (this.tree.beginSweep() === undefined) return 'nothing to sweep'
      this.unvisited = new Set(this.store.addresses.keys())
      this.hasNewDelete = false
      return 'begin a sweep'
    }
    if (this.unvisited.size === 0) {
      this.tree.finishSweep()
      return 'finish the sweep'
    }
    const address = this.#pick([...this.unvisited])
    this.unvisited.delete(address)
    const { labels } = this.tree.sweeping
    const isConcerned = [...this.store.elements(address).keys()].some((label) => labels.has(label))
    if (isConcerned) this.store.sweep(this.tree, address)
    return `sweep address ${address}`
  }

  #sweepAll(): void {
    while (this.tree.unswept.size > 0) this.#sweepOn()
  }

  #restart(): string {
    const record = versionTreeRecord(this.tree)
    this.tree = restoreVersionTree(JSON.parse(JSON.stringify(record)))
    assert.deepStrictEqual(versionTreeRecord(this.tree), record)
    this.unvisited.clear()
    return 'restart'
  }

  #anyTag(): Tag | undefined {
    const { tags } = this
    return tags.length === 0 ? undefined : this.#pick(tags)
  }

  #pick<Item>(items: readonly Item[]): Item {
    const item = items[this.#choose(items.length)]
    assert(item !== undefined, 'there is something to choose from')
    return item
  }

  #newContent(): Content {
    const stamp = this.#stampNext++
    return { left: stamp, right: stamp }
  }
}

function many<Item>(count: number, item: Item): Item[] {
  return Array.from({ length: count }, () => item)
}
