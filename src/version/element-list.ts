import type { Label } from '../base/ids.js'
import type { VersionTree } from './version-tree.js'

/**
 * The elements of one address: at most one for each label. Everything about them is decided by which
 * labels are present, so any Map or Set keyed by label will do; the values are the store's affair.
 */
export interface ElementLabels {
  has(label: Label): boolean
  keys(): Iterable<Label>
}

/**
 * What version `label` sees: the element of the deepest version on its path to the origin that has
 * one. Undefined: the origin's own value. O(elements).
 */
export function labelSeen(
  tree: VersionTree,
  elements: ElementLabels,
  label: Label,
): Label | undefined {
  const { survey } = tree
  let seen: Label | undefined
  let depthSeen = -1
  for (const candidate of elements.keys()) {
    if (!survey.isSelfOrAncestor(candidate, label)) continue
    const depth = survey.depth(candidate)
    if (depth <= depthSeen) continue
    seen = candidate
    depthSeen = depth
  }
  return seen
}

/**
 * The visible versions below `label` that see its element, or would if it had one: those reached
 * without crossing a version with an element of its own.
 */
export function* heirs(
  tree: VersionTree,
  elements: ElementLabels,
  label: Label,
): Generator<Label, undefined> {
  const { survey } = tree
  const pending = [...tree.version(label).children]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (elements.has(next.label) || !survey.hasVisible(next.label)) continue
    if (next.tag !== undefined) yield next.label
    pending.push(...next.children)
  }
}

export function hasHeir(tree: VersionTree, elements: ElementLabels, label: Label): boolean {
  return heirs(tree, elements, label).next().done !== true
}

/**
 * Whether two versions (the origin may be one) can differ here: they see different elements. Tells
 * what an increment must hold without reading any data. O(elements).
 */
export function difference(
  tree: VersionTree,
  elements: ElementLabels,
  a: Label,
  b: Label,
): boolean {
  return labelSeen(tree, elements, a) !== labelSeen(tree, elements, b)
}
