import { describe, expect, test } from 'vitest'
import type { Label } from '../../src/base/ids.js'
import { checkTree } from '../../src/version/invariants.js'
import { VersionTree } from '../../src/version/version-tree.js'
import { originLabel, originTag, type Version } from '../../src/version/version.js'

/** As `label(children)`, ghosts marked: 0(3(2 !1(4 5))). */
function drawn({ label, tag, children }: Version): string {
  const below = [...children].map(drawn).sort().join(' ')
  return `${tag === undefined ? '!' : ''}${label}${below && `(${below})`}`
}

function draw(tree: VersionTree): string {
  checkTree(tree)
  return drawn(tree.version(originLabel))
}

function sweep(tree: VersionTree): void {
  tree.beginSweep()
  tree.finishSweep()
}

/** A snapshot, 1, with the clones 2 and 3. */
function withTwoClones() {
  const tree = new VersionTree()
  const snapshot = tree.snapshotOrigin()
  return { tree, snapshot, first: tree.snapshotOf(snapshot), second: tree.snapshotOf(snapshot) }
}

describe('the version tree', () => {
  test('puts a new snapshot of the origin above the older ones', () => {
    const tree = new VersionTree()
    for (let count = 0; count < 3; count += 1) tree.snapshotOrigin()
    expect(draw(tree)).toBe('0(3(2(1)))')
  })

  test('puts clones, and snapshots of clones, below what they were made of', () => {
    const { tree, second } = withTwoClones()
    tree.snapshotOf(second)
    tree.snapshotOrigin()
    expect(draw(tree)).toBe('0(5(1(2 3(4))))')
  })

  test('knows depths and ancestors', () => {
    const { survey } = withTwoClones().tree
    const isAbove = (above: number, below: number) =>
      survey.isSelfOrAncestor(above as Label, below as Label)
    expect([0, 1, 2].map((label) => survey.depth(label as Label))).toEqual([0, 1, 2])
    expect(isAbove(1, 3)).toBe(true)
    expect(isAbove(3, 3)).toBe(true)
    expect(isAbove(3, 1)).toBe(false)
    expect(isAbove(2, 3)).toBe(false)
  })

  test('moves a tag to a new child when it is relocated, and keeps the old version as a ghost', () => {
    const { tree, snapshot } = withTwoClones()
    expect(tree.relocate(snapshot)).toBe(4)
    expect(tree.labelOf(snapshot)).toBe(4)
    expect(draw(tree)).toBe('0(!1(2 3 4))')
  })

  test('never gives a label twice', () => {
    const tree = new VersionTree()
    tree.beginDelete(tree.snapshotOrigin())
    sweep(tree)
    expect(tree.snapshotOrigin()).toBe(2)
  })

  test('holds a trunk deeper than the call stack', () => {
    const tree = new VersionTree()
    const oldest = tree.labelOf(tree.snapshotOrigin())
    for (let count = 1; count < 100_000; count += 1) tree.snapshotOrigin()
    expect(tree.survey.depth(oldest)).toBe(100_000)
    checkTree(tree)
  })
})

describe('a deleted version', () => {
  test('cannot be found any more but stays as a ghost until it is swept', () => {
    const { tree, first } = withTwoClones()
    tree.beginDelete(first)
    expect(() => tree.labelOf(first)).toThrow('no visible version has the tag 2')
    expect(draw(tree)).toBe('0(1(!2 3))')
  })

  test('without children is unlinked', () => {
    const { tree, first } = withTwoClones()
    tree.beginDelete(first)
    sweep(tree)
    expect(draw(tree)).toBe('0(1(3))')
  })

  test('with one child has that child promoted over it', () => {
    const tree = new VersionTree()
    const oldest = tree.snapshotOrigin()
    const middle = tree.snapshotOrigin()
    tree.snapshotOrigin()
    tree.beginDelete(middle)
    sweep(tree)
    expect(draw(tree)).toBe('0(3(1))')
    expect(tree.survey.depth(tree.labelOf(oldest))).toBe(2)
  })

  test('with two children remains as a ghost', () => {
    const { tree, snapshot } = withTwoClones()
    tree.beginDelete(snapshot)
    sweep(tree)
    expect(draw(tree)).toBe('0(!1(2 3))')
    expect(tree.beginSweep()).toBeUndefined()
  })

  test('takes its ghost parent with it when one sibling is left', () => {
    const { tree, snapshot, first } = withTwoClones()
    tree.beginDelete(snapshot)
    sweep(tree)
    tree.beginDelete(first)
    sweep(tree)
    expect(draw(tree)).toBe('0(3)')
  })

  test('waits for the next sweep when one is under way', () => {
    const { tree, first, second } = withTwoClones()
    tree.beginDelete(first)
    expect(tree.beginSweep()?.leaving).toEqual(new Set([2]))
    tree.beginDelete(second)
    tree.finishSweep()
    expect(draw(tree)).toBe('0(1(!3))')
    expect(tree.beginSweep()?.leaving).toEqual(new Set([3]))
  })

  test('is not promoted over by the sweep of its child', () => {
    const { tree, snapshot, first } = withTwoClones()
    tree.beginDelete(first)
    tree.beginSweep()
    tree.beginDelete(snapshot)
    tree.finishSweep()
    expect(draw(tree)).toBe('0(!1(3))')
  })

  test('names its ghost ancestors to the sweep, whose elements it may have been the last to see', () => {
    const { tree, snapshot, first } = withTwoClones()
    tree.snapshotOf(snapshot)
    tree.beginDelete(snapshot)
    sweep(tree)
    tree.beginDelete(first)
    expect(tree.beginSweep()?.labels).toEqual(new Set([1, 2]))
    expect(tree.sweeping?.leaving).toEqual(new Set([2]))
  })

  test('cannot be the origin', () => {
    expect(() => {
      new VersionTree().beginDelete(originTag)
    }).toThrow('the origin is not deleted')
  })
})

describe('a trunk', () => {
  test('is a chain of snapshots of the origin', () => {
    const tree = new VersionTree()
    expect(tree.survey.isTrunk).toBe(true)
    tree.snapshotOrigin()
    tree.snapshotOrigin()
    expect(tree.survey.isTrunk).toBe(true)
  })

  test('is no tree with clones, nor the chain that is left when all but one have gone', () => {
    const { tree, first } = withTwoClones()
    expect(tree.survey.isTrunk).toBe(false)
    tree.beginDelete(first)
    sweep(tree)
    expect(draw(tree)).toBe('0(1(3))')
    expect(tree.survey.isTrunk).toBe(false)
  })
})
