import assert from 'node:assert'
import type { Label } from '../base/ids.js'
import { TreeSurvey } from './tree-survey.js'
import { originLabel, originTag, type Tag, type Version } from './version.js'
import type { VersionTreeRecord } from './version-tree-record.js'

interface Node extends Version {
  parent: Node | undefined
  readonly children: Set<Node>
  tag: Tag | undefined
}

/** One pass over all addresses that settles the elements which deletes have left behind. */
export interface Sweep {
  /** An address without an element of one of these labels needs no visit. */
  readonly labels: ReadonlySet<Label>
  /** Those that leave the tree at the end. No element has such a label once the pass is through. */
  readonly leaving: ReadonlySet<Label>
}

/**
 * The versions of one volume (DESIGN section 6). The origin's only child is its newest snapshot, the
 * root: a new snapshot of the origin goes between the two, so that an older snapshot is a descendant
 * of every newer one and inherits from it. A clone is a child of what it was made of.
 *
 * The tree lives in memory and knows no element. Its owner writes `versionTreeRecord` of it to
 * the store after each change, before anything that builds on the change.
 *
 * A delete has three parts. `beginDelete` makes the version a ghost at once. `beginSweep` starts a
 * pass in which the owner calls `sweepActions` for every address, between any other operations.
 * `finishSweep` then takes out the ghosts that no element needs any more. Deletes that come during
 * a pass wait for the next one; a pass that was cut short by a restart starts over.
 */
export class VersionTree {
  readonly #origin: Node
  readonly #versions = new Map<Label, Node>()
  readonly #visible = new Map<Tag, Node>()
  /** Deleted versions that no finished pass has covered. */
  readonly #unswept: Set<Label>
  #labelNext: Label
  #sweeping: (Sweep & { readonly covers: readonly Label[] }) | undefined
  #survey: TreeSurvey | undefined

  /** With a record: use `restoreVersionTree`, which checks it. */
  constructor(record?: VersionTreeRecord) {
    this.#origin = this.#add(originLabel, undefined, originTag)
    for (const { label, parent, tag } of record?.versions ?? []) {
      this.#add(label, this.#node(parent), tag ?? undefined)
    }
    this.#unswept = new Set(record?.unswept)
    this.#labelNext = record?.labelNext ?? (1 as Label)
  }

  /** Cheap enough for any moment: O(1), no element is touched. */
  snapshotOrigin(): Tag {
    const [rootBefore] = this.#origin.children
    const tag = this.#addNew(this.#origin)
    if (rootBefore !== undefined) move(rootBefore, this.#tagged(tag))
    return tag
  }

  /** A snapshot of a clone or a clone of a snapshot: both are a new child. O(1). */
  snapshotOf(tag: Tag): Tag {
    assert(tag !== originTag, 'a snapshot of the origin goes above its snapshots, not beside them')
    return this.#addNew(this.#tagged(tag))
  }

  /**
   * The implicit version: a new child takes the tag, and the old version stays as a ghost that
   * keeps for the other descendants what the tagged one is about to change.
   */
  relocate(tag: Tag): Label {
    assert(tag !== originTag, 'the origin has no elements and is never relocated')
    const old = this.#tagged(tag)
    old.tag = undefined
    const successor = this.#add(this.#takeLabel(), old, tag)
    assert(!this.survey.isRedundant(old.label), `version ${old.label} has another heir`)
    return successor.label
  }

  beginDelete(tag: Tag): void {
    assert(tag !== originTag, 'the origin is not deleted')
    const version = this.#tagged(tag)
    version.tag = undefined
    this.#visible.delete(tag)
    this.#unswept.add(version.label)
    this.#survey = undefined
  }

  /** Undefined: nothing to sweep. */
  beginSweep(): Sweep | undefined {
    assert(this.#sweeping === undefined, 'one sweep at a time')
    if (this.#unswept.size === 0) return undefined
    const labels = new Set<Label>()
    for (const deleted of this.#unswept) {
      // What the deleted version saw is its own or that of a ghost which it was reached through.
      let ghost: Node | undefined = this.#node(deleted)
      for (; ghost !== undefined && ghost.tag === undefined; ghost = ghost.parent) {
        labels.add(ghost.label)
      }
    }
    const leaving = new Set([...labels].filter((label) => this.survey.isRedundant(label)))
    this.#sweeping = { labels, leaving, covers: [...this.#unswept] }
    return this.#sweeping
  }

  get sweeping(): Sweep | undefined {
    return this.#sweeping
  }

  /**
   * Only after `sweepActions` has been applied to every address since `beginSweep`; and the tree as
   * it is then may be stored only after those elements, lest one bears a label that is gone.
   */
  finishSweep(): void {
    assert(this.#sweeping !== undefined, 'a sweep has begun')
    const { leaving, covers } = this.#sweeping
    // Deepest first: a version that joined branches has one child at most when its turn comes.
    const depth = (label: Label) => this.survey.depth(label)
    for (const label of [...leaving].sort((a, b) => depth(b) - depth(a))) this.#unlink(label)
    for (const label of covers) this.#unswept.delete(label)
    this.#sweeping = undefined
    this.#survey = undefined
  }

  labelOf(tag: Tag): Label {
    return this.#tagged(tag).label
  }

  version(label: Label): Version {
    return this.#node(label)
  }

  /** All, the origin and ghosts included. */
  versions(): Iterable<Version> {
    return this.#versions.values()
  }

  /** Deleted versions whose elements are not all swept. Empty: the tree is in its final shape. */
  get unswept(): ReadonlySet<Label> {
    return this.#unswept
  }

  /** Every label in use is below it. */
  get labelNext(): Label {
    return this.#labelNext
  }

  /** Valid until the tree changes: ask for it each time. */
  get survey(): TreeSurvey {
    return (this.#survey ??= new TreeSurvey(this.#origin))
  }

  #node(label: Label): Node {
    return this.#versions.get(label) ?? assert.fail(`no version has the label ${label}`)
  }

  #tagged(tag: Tag): Node {
    return this.#visible.get(tag) ?? assert.fail(`no visible version has the tag ${tag}`)
  }

  /** Labels are never reused: one that a lost element still bears must not come to mean another. */
  #takeLabel(): Label {
    const label = this.#labelNext
    this.#labelNext = (label + 1) as Label
    return label
  }

  #addNew(parent: Node): Tag {
    const label = this.#takeLabel()
    const tag = label as number as Tag
    this.#add(label, parent, tag)
    return tag
  }

  #add(label: Label, parent: Node | undefined, tag: Tag | undefined): Node {
    assert(!this.#versions.has(label), `label ${label} is new`)
    const node: Node = { label, parent, children: new Set(), tag }
    this.#versions.set(label, node)
    if (tag !== undefined) this.#visible.set(tag, node)
    parent?.children.add(node)
    this.#survey = undefined
    return node
  }

  /** Takes a ghost out; its only child, if it has one, is promoted over it. */
  #unlink(label: Label): void {
    const ghost = this.#node(label)
    assert(ghost.parent !== undefined && ghost.tag === undefined, `version ${label} is a ghost`)
    assert(ghost.children.size < 2, `ghost ${label} joins no branches`)
    for (const child of ghost.children) move(child, ghost.parent)
    ghost.parent.children.delete(ghost)
    this.#versions.delete(label)
  }
}

function move(node: Node, parent: Node): void {
  node.parent?.children.delete(node)
  node.parent = parent
  parent.children.add(node)
}
