import assert from 'node:assert'
import type { Label } from '../../src/base/ids.js'
import { difference, heirs, labelSeen, type ElementLabels } from '../../src/version/element-list.js'
import { checkElements, checkTree } from '../../src/version/invariants.js'
import { sweepActions } from '../../src/version/sweep-actions.js'
import { trunkLabelSeen } from '../../src/version/trunk.js'
import type { VersionTree } from '../../src/version/version-tree.js'
import type { Tag, Version } from '../../src/version/version.js'
import type { Content } from './version-oracle.js'
import type { VersionWorld } from './version-world.js'

// All of this runs after each of 100,000 operations. Hence `assert.fail` below an `if`, so that no
// text is made for what holds, and one address in turn for what compares versions with each other.

/** Everything that must be true of a world after any operation (INTEROP section 4.3). */
export function checkWorld(world: VersionWorld, operation: number): void {
  checkTree(world.tree)
  checkVersions(world)
  checkPlaces(world)
  for (const address of world.store.addresses.keys()) {
    checkElementsOf(world, address)
    checkReads(world, address)
  }
  const inTurn = operation % world.options.addresses
  checkHeirs(world.tree, world.store.elements(inTurn))
  checkDifferences(world, inTurn)
}

/** After `empty`: nothing but the origin. */
export function checkEmpty({ store, tree }: VersionWorld): void {
  assert.equal([...tree.versions()].length, 1, 'only the origin is left')
  assert.equal(store.places.size, 0, 'no place is leaked')
}

function checkVersions({ oracle, tree }: VersionWorld): void {
  const visible = visibleTags(tree)
  assert.equal(visible.length, oracle.contents.size, 'as many versions as the oracle has')
  for (const tag of visible) assert(oracle.contents.has(tag), 'the versions that the oracle has')
}

/** A place in use belongs to one element: none is leaked, shared or used after it was freed. */
function checkPlaces({ store }: VersionWorld): void {
  const used = store.addresses.flatMap((elements) => [...elements.values()])
  assert.equal(new Set(used).size, used.length, 'no two elements share a place')
  assert.equal(used.length, store.places.size, 'no place is leaked')
  for (const place of used) assert(store.places.has(place), 'no element has a place that was freed')
}

function checkElementsOf(world: VersionWorld, address: number): void {
  const { tree } = world
  const elements = world.store.elements(address)
  for (const label of elements.keys()) tree.version(label)
  const wasVisited = tree.sweeping !== undefined && !world.unvisited.has(address)
  for (const label of wasVisited ? elements.keys() : []) {
    assert(tree.sweeping?.leaving.has(label) === false, 'what is leaving has no swept elements')
  }
  if (tree.unswept.size === 0 || (wasVisited && !world.hasNewDelete)) {
    checkElements(tree, elements)
    assert.equal(sweepActions(tree, elements).length, 0, 'a swept address needs no sweep')
  }
  if (tree.survey.isTrunk) checkTrunk(tree, elements)
}

/** Every visible version, the origin too, reads what the oracle says. */
function checkReads({ oracle, store, tree }: VersionWorld, address: number): void {
  for (const [tag] of oracle.contents) {
    const expected = oracle.at(tag, address)
    const read = store.read(tree, tag, address)
    if (isSame(read, expected)) continue
    assert.fail(`${tag} at ${address} reads ${show(read)} instead of ${show(expected)}`)
  }
}

function checkDifferences({ options, oracle, store, tree }: VersionWorld, address: number): void {
  const elements = store.elements(address)
  const tags = [...oracle.contents.keys()]
  for (const [index, a] of tags.entries()) {
    const b = tags[(index + 1) % tags.length] ?? a
    const isDifferent = difference(tree, elements, tree.labelOf(a), tree.labelOf(b))
    if (isDifferent !== isSame(oracle.at(a, address), oracle.at(b, address))) continue
    // A rollback copies, so that different places hold the same.
    if (isDifferent && options.hasRollback) continue
    assert.fail(`difference of ${a} and ${b} at ${address} is said to be ${isDifferent}`)
  }
}

/** The heirs of an element are those, but itself, for whom it is first on the way to the origin. */
function checkHeirs(tree: VersionTree, elements: ElementLabels): void {
  const heirsExpected = new Map<Label, Set<Label>>()
  for (const label of elements.keys()) heirsExpected.set(label, new Set())
  for (const version of tree.versions()) {
    const first = firstOnTheWay(elements, version)
    assert.equal(labelSeen(tree, elements, version.label), first)
    if (version.tag === undefined || first === undefined || first === version.label) continue
    heirsExpected.get(first)?.add(version.label)
  }
  for (const [label, expected] of heirsExpected) {
    const found = [...heirs(tree, elements, label)]
    assert.equal(found.length, expected.size, 'as many heirs as there are readers')
    for (const heir of found) assert(expected.has(heir), 'the heirs are the readers')
  }
}

function firstOnTheWay(elements: ElementLabels, version: Version): Label | undefined {
  let next: Version | undefined = version
  while (next !== undefined && !elements.has(next.label)) next = next.parent
  return next?.label
}

function checkTrunk(tree: VersionTree, elements: ElementLabels): void {
  const ascending = [...elements.keys()].sort((a, b) => a - b)
  for (const { label, parent, tag } of tree.versions()) {
    if (tag === undefined || parent === undefined) continue
    assert.equal(trunkLabelSeen(ascending, label), labelSeen(tree, elements, label))
  }
}

function visibleTags(tree: VersionTree): Tag[] {
  return [...tree.versions()].flatMap(({ tag }) => (tag === undefined ? [] : [tag]))
}

function isSame(a: Content, b: Content): boolean {
  return a.left === b.left && a.right === b.right
}

function show({ left, right }: Content): string {
  return `${left}|${right}`
}
