import assert from 'node:assert'
import { hasHeir, type ElementLabels } from './element-list.js'
import type { VersionTree } from './version-tree.js'
import { originLabel, originTag, type Tag, type Version } from './version.js'

/** Asserts what must hold of a version tree at any moment (INTEROP section 4.3). */
export function checkTree(tree: VersionTree): void {
  const versions = [...tree.versions()]
  const origin = tree.version(originLabel)
  assert(origin.tag === originTag, 'the origin is not a ghost')
  assert(origin.parent === undefined, 'the origin has no parent')
  assert(origin.children.size <= 1, 'the origin has at most one child')
  assert(countReachable(origin) === versions.length, 'every version descends from the origin once')

  const tags = new Set<Tag>()
  for (const { label, parent, children, tag } of versions) {
    assert(label < tree.labelNext, `label ${label} is below the next one, ${tree.labelNext}`)
    assert(label === originLabel || parent !== undefined, `version ${label} has a parent`)
    for (const child of children) {
      assert(child.parent?.label === label, `version ${child.label} is a child of its parent`)
    }
    if (tag === undefined) continue
    assert(tag < tree.labelNext && !tags.has(tag), `tag ${tag} was given once`)
    tags.add(tag)
    assert(tree.labelOf(tag) === label, `tag ${tag} leads to version ${label}`)
  }
  for (const label of tree.unswept) {
    assert(tree.version(label).tag === undefined, `version ${label}, which is deleted, is a ghost`)
  }
  // While a delete waits for its sweep, ghosts may have lost branches; they go when it ends.
  if (tree.unswept.size > 0) return
  for (const { label, tag, children } of versions) {
    assert(tag !== undefined || children.size >= 2, `ghost ${label} joins at least two branches`)
  }
}

/**
 * Asserts what must hold of one address' elements when no delete is waiting for its sweep, and, while
 * one is, of an address at the moment when it is swept.
 */
export function checkElements(tree: VersionTree, elements: ElementLabels): void {
  for (const label of elements.keys()) {
    assert(label !== originLabel, 'the origin has no elements')
    const { tag } = tree.version(label)
    if (tag !== undefined) continue
    assert(!tree.survey.isRedundant(label), `ghost ${label}, which has elements, joins branches`)
    assert(hasHeir(tree, elements, label), `the element of ghost ${label} has an heir`)
  }
}

/** A version that is its own ancestor is never reached; one with two parents is counted twice. */
function countReachable(origin: Version): number {
  let count = 0
  const pending = [origin]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    count += 1
    pending.push(...next.children)
  }
  return count
}
