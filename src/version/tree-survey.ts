import assert from 'node:assert'
import type { Label } from '../base/ids.js'
import type { Version } from './version.js'

interface Findings {
  readonly version: Version
  readonly depth: number
  /** Place in a walk that visits parents first: a version's descendants are [place + 1, placeEnd). */
  readonly place: number
  placeEnd: number
  /** Visible versions among itself and its descendants. */
  visible: number
  /** Children with a visible version at or below them. */
  branches: number
}

/**
 * What can be known of a version tree at one moment. Made in one walk, O(versions), and thrown away
 * when the tree changes, so that the questions asked for each element cost O(1).
 */
export class TreeSurvey {
  /**
   * Whether the versions form one chain whose labels fall with the distance from the origin, as
   * snapshots of the live view do. (A chain can also be what is left of clones: no trunk then.)
   */
  readonly isTrunk: boolean
  readonly #findings = new Map<Label, Findings>()

  constructor(origin: Version) {
    const parentsFirst: Findings[] = []
    let isTrunk = true
    // No recursion: a trunk may be deeper than the call stack.
    const pending: { version: Version; depth: number }[] = [{ version: origin, depth: 0 }]
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      const { version, depth } = next
      const place = parentsFirst.length
      const found = { version, depth, place, placeEnd: place + 1, visible: 0, branches: 0 }
      parentsFirst.push(found)
      this.#findings.set(version.label, found)
      for (const child of version.children) pending.push({ version: child, depth: depth + 1 })
      if (version.children.size > 1 || (depth > 1 && !isBelowInLabel(version))) isTrunk = false
    }
    this.isTrunk = isTrunk
    for (const found of parentsFirst.reverse()) this.#addToParent(found)
  }

  depth(label: Label): number {
    return this.#of(label).depth
  }

  isSelfOrAncestor(label: Label, descendant: Label): boolean {
    const above = this.#of(label)
    const { place } = this.#of(descendant)
    return above.place <= place && place < above.placeEnd
  }

  hasVisible(label: Label): boolean {
    return this.#of(label).visible > 0
  }

  /**
   * A ghost that no longer joins two branches: it leaves the tree once its elements are swept. It
   * can't become needed again, because versions are never added below a ghost.
   */
  isRedundant(label: Label): boolean {
    const { version, branches } = this.#of(label)
    return version.tag === undefined && branches < 2
  }

  /**
   * The version that takes over from `label` when all that is redundant has left the tree: itself if
   * it stays, else the nearest below; undefined if nothing visible is left there.
   */
  survivor(label: Label): Label | undefined {
    let found = this.#of(label)
    while (this.isRedundant(found.version.label)) {
      const child = [...found.version.children].find(({ label }) => this.hasVisible(label))
      if (child === undefined) return undefined
      found = this.#of(child.label)
    }
    return found.version.label
  }

  #of(label: Label): Findings {
    return this.#findings.get(label) ?? assert.fail(`no version has the label ${label}`)
  }

  /** Called for children before their parent: by then `found` is complete but for itself. */
  #addToParent(found: Findings): void {
    if (found.version.tag !== undefined) found.visible += 1
    if (found.version.parent === undefined) return
    const parent = this.#of(found.version.parent.label)
    parent.placeEnd = Math.max(parent.placeEnd, found.placeEnd)
    parent.visible += found.visible
    if (found.visible > 0) parent.branches += 1
  }
}

function isBelowInLabel({ label, parent }: Version): boolean {
  return parent !== undefined && label < parent.label
}
