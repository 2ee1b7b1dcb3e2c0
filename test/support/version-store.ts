import assert from 'node:assert'
import type { Label } from '../../src/base/ids.js'
import { labelSeen } from '../../src/version/element-list.js'
import { sweepActions } from '../../src/version/sweep-actions.js'
import {
  originWriteAction,
  rollbackSteps,
  snapshotWriteAction,
} from '../../src/version/write-actions.js'
import type { VersionTree } from '../../src/version/version-tree.js'
import { originTag, type Tag } from '../../src/version/version.js'
import type { Content } from './version-oracle.js'

/** A place that holds one value; a number stands for the place. */
type Place = number & { readonly __brand: 'Place' }

/**
 * The smallest store that does what the actions of src/version say: elements and places in memory.
 * It asserts what a store must be able to rely on, such as that no place is freed twice.
 */
export class VersionStore {
  readonly origin: Content[]
  readonly addresses: Map<Label, Place>[]
  /** Exactly the places in use. */
  readonly places = new Map<Place, Content>()
  /** How often each kind of action was done: shows that a test reaches them all. */
  readonly actions = new Map<string, number>()
  #placeNext = 1

  constructor(origin: readonly Content[]) {
    this.origin = [...origin]
    this.addresses = origin.map(() => new Map<Label, Place>())
  }

  read(tree: VersionTree, tag: Tag, address: number): Content {
    return this.#contentOf(address, labelSeen(tree, this.elements(address), tree.labelOf(tag)))
  }

  write(tree: VersionTree, tag: Tag, address: number, change: Partial<Content>): void {
    if (tag === originTag) this.#writeOrigin(tree, address, change)
    else this.#writeSnapshot(tree, tag, address, change)
  }

  rollback(tree: VersionTree, tag: Tag, address: number): void {
    for (const step of rollbackSteps(tree, this.elements(address), tag)) {
      this.#count(`roll back: ${step.kind}`)
      if (step.kind === 'preserve') this.#add(address, step.label, this.#originAt(address))
      else if (step.kind === 'restore') this.origin[address] = this.#contentOf(address, step.label)
      else this.#free(address, step.label)
    }
  }

  sweep(tree: VersionTree, address: number): void {
    for (const action of sweepActions(tree, this.elements(address))) {
      this.#count(`sweep: ${action.kind}`)
      if (action.kind === 'free') this.#free(address, action.label)
      else this.#relabel(address, action.from, action.to)
    }
  }

  elements(address: number): Map<Label, Place> {
    return this.addresses[address] ?? assert.fail(`there is no address ${address}`)
  }

  #writeOrigin(tree: VersionTree, address: number, change: Partial<Content>): void {
    const before = this.#originAt(address)
    const preserve = originWriteAction(tree, this.elements(address))
    this.#count(`write to the origin: ${preserve?.kind ?? 'nothing'}`)
    if (preserve !== undefined) this.#add(address, preserve.label, before)
    this.origin[address] = { ...before, ...change }
  }

  #writeSnapshot(tree: VersionTree, tag: Tag, address: number, change: Partial<Content>): void {
    let action = snapshotWriteAction(tree, this.elements(address), tag)
    this.#count(`write: ${action.kind}`)
    if (action.kind === 'relocate') {
      tree.relocate(action.tag)
      action = snapshotWriteAction(tree, this.elements(address), tag)
    }
    if (action.kind === 'allocate') {
      const inherited = this.#contentOf(address, action.inherited)
      this.#add(address, action.label, { ...inherited, ...change })
    } else if (action.kind === 'overwrite') {
      this.#overwrite(address, action.label, change)
    } else if (action.kind === 'relabel') {
      this.#relabel(address, action.from, action.to)
      this.#overwrite(address, action.to, change)
    } else {
      assert.fail('a version that was just relocated has no heirs')
    }
  }

  #count(action: string): void {
    this.actions.set(action, (this.actions.get(action) ?? 0) + 1)
  }

  #add(address: number, label: Label, content: Content): void {
    const elements = this.elements(address)
    assert(!elements.has(label), `address ${address} has no element ${label} yet`)
    const place = this.#placeNext++ as Place
    this.places.set(place, content)
    elements.set(label, place)
  }

  #overwrite(address: number, label: Label, change: Partial<Content>): void {
    const place = this.#place(address, label)
    this.places.set(place, { ...this.#contentOf(address, label), ...change })
  }

  #relabel(address: number, from: Label, to: Label): void {
    const elements = this.elements(address)
    assert(!elements.has(to), `address ${address} has no element ${to} yet`)
    elements.set(to, this.#place(address, from))
    elements.delete(from)
  }

  #free(address: number, label: Label): void {
    const place = this.#place(address, label)
    assert(this.places.delete(place), `place ${place} is freed once`)
    this.elements(address).delete(label)
  }

  #contentOf(address: number, label: Label | undefined): Content {
    if (label === undefined) return this.#originAt(address)
    const content = this.places.get(this.#place(address, label))
    return content ?? assert.fail(`the place of element ${label} at ${address} was freed`)
  }

  #originAt(address: number): Content {
    return this.origin[address] ?? assert.fail(`there is no address ${address}`)
  }

  #place(address: number, label: Label): Place {
    const place = this.elements(address).get(label)
    return place ?? assert.fail(`address ${address} has no element ${label}`)
  }
}
