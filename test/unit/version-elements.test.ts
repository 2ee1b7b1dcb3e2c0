import { describe, expect, test } from 'vitest'
import type { Label } from '../../src/base/ids.js'
import { difference, heirs, labelSeen } from '../../src/version/element-list.js'
import { checkElements } from '../../src/version/invariants.js'
import { sweepActions } from '../../src/version/sweep-actions.js'
import {
  originWriteAction,
  rollbackSteps,
  snapshotWriteAction,
} from '../../src/version/write-actions.js'
import { VersionTree } from '../../src/version/version-tree.js'
import { originLabel } from '../../src/version/version.js'

const elements = (...labels: number[]) => new Set(labels as Label[])
const label = (number: number) => number as Label

/** 0(2(1(3 4(5)))): two snapshots of the origin; 3 and 4 are clones of the older, 5 a snapshot of 4. */
function family() {
  const tree = new VersionTree()
  const older = tree.snapshotOrigin()
  const newer = tree.snapshotOrigin()
  const leaf = tree.snapshotOf(older)
  const clone = tree.snapshotOf(older)
  return { tree, older, newer, leaf, clone, cloneSnapshot: tree.snapshotOf(clone) }
}

describe('a version sees', () => {
  test('the element of the deepest version on its path', () => {
    const { tree } = family()
    expect(labelSeen(tree, elements(2, 3, 1), label(5))).toBe(1)
    expect(labelSeen(tree, elements(2, 3, 4), label(5))).toBe(4)
    expect(labelSeen(tree, elements(2, 3), label(5))).toBe(2)
  })

  test('the value of the origin when no element is on its path', () => {
    expect(labelSeen(family().tree, elements(3, 4), label(1))).toBeUndefined()
  })

  test('a difference where another sees another element', () => {
    const { tree } = family()
    expect(difference(tree, elements(2, 3), label(1), label(5))).toBe(false)
    expect(difference(tree, elements(2, 3), label(1), label(3))).toBe(true)
    expect(difference(tree, elements(2), label(1), originLabel)).toBe(true)
  })
})

describe('heirs', () => {
  test('are the visible versions below, down to those with elements of their own', () => {
    const { tree } = family()
    expect([...heirs(tree, elements(4), label(2))].sort()).toEqual([1, 3])
  })

  test('are found through ghosts', () => {
    const { tree, older } = family()
    tree.beginDelete(older)
    expect([...heirs(tree, elements(), label(2))].sort()).toEqual([3, 4, 5])
  })
})

describe('a write to the origin', () => {
  test('preserves under the root, once for all who inherit', () => {
    const { tree } = family()
    expect(originWriteAction(tree, elements(3))).toEqual({ kind: 'preserve', label: 2 })
    expect(originWriteAction(tree, elements(2, 3))).toBeUndefined()
  })

  test('preserves nothing when no version would see it', () => {
    const { tree, newer, older } = family()
    tree.beginDelete(newer)
    tree.beginDelete(older)
    expect(originWriteAction(tree, elements(3, 4))).toBeUndefined()
    expect(originWriteAction(new VersionTree(), elements())).toBeUndefined()
  })

  test('preserves below a root that is leaving, whose addresses may be swept already', () => {
    const { tree, newer } = family()
    tree.beginDelete(newer)
    expect(originWriteAction(tree, elements())).toEqual({ kind: 'preserve', label: 1 })
  })
})

describe('a write to a snapshot or clone', () => {
  test('overwrites what nobody else sees', () => {
    const { tree, leaf, clone } = family()
    expect(snapshotWriteAction(tree, elements(3), leaf)).toEqual({ kind: 'overwrite', label: 3 })
    expect(snapshotWriteAction(tree, elements(4, 5), clone)).toEqual({
      kind: 'overwrite',
      label: 4,
    })
  })

  test('allocates for a leaf and says what the rest of a partial write is copied from', () => {
    const { tree, leaf } = family()
    const allocate = { kind: 'allocate', label: 3 }
    expect(snapshotWriteAction(tree, elements(1), leaf)).toEqual({ ...allocate, inherited: 1 })
    expect(snapshotWriteAction(tree, elements(), leaf)).toEqual({
      ...allocate,
      inherited: undefined,
    })
  })

  test('relocates the tag when a child inherits, whether from its own element or through it', () => {
    const { tree, clone } = family()
    expect(snapshotWriteAction(tree, elements(4), clone)).toEqual({ kind: 'relocate', tag: clone })
    expect(snapshotWriteAction(tree, elements(), clone)).toEqual({ kind: 'relocate', tag: clone })
    tree.relocate(clone)
    const after = snapshotWriteAction(tree, elements(), clone)
    expect(after).toEqual({ kind: 'allocate', label: 6, inherited: undefined })
  })

  test('takes over the element of a ghost whose only heir it is', () => {
    const { tree, clone, older } = family()
    tree.beginDelete(older)
    const relabel = { kind: 'relabel', from: 1, to: 4 }
    expect(snapshotWriteAction(tree, elements(1, 3, 5), clone)).toEqual(relabel)
  })

  test('leaves the element of a ghost to its other heirs', () => {
    const { tree, clone, older } = family()
    tree.beginDelete(older)
    const allocate = { kind: 'allocate', label: 4, inherited: 1 }
    expect(snapshotWriteAction(tree, elements(1, 5), clone)).toEqual(allocate)
  })

  test('leaves the element of a ghost to a visible version between them', () => {
    const { tree, newer, leaf } = family()
    tree.beginDelete(newer)
    const allocate = { kind: 'allocate', label: 3, inherited: 2 }
    expect(snapshotWriteAction(tree, elements(2), leaf)).toEqual(allocate)
  })

  test('needs no implicit version for a child that is deleted', () => {
    const { tree, clone, cloneSnapshot } = family()
    tree.beginDelete(cloneSnapshot)
    expect(snapshotWriteAction(tree, elements(4), clone)).toEqual({ kind: 'overwrite', label: 4 })
  })
})

describe('the sweep of an address', () => {
  test('frees what a deleted leaf had', () => {
    const { tree, leaf } = family()
    tree.beginDelete(leaf)
    expect(sweepActions(tree, elements(1, 3))).toEqual([{ kind: 'free', label: 3 }])
  })

  test('relabels what a deleted version had to its only child', () => {
    const { tree, newer } = family()
    tree.beginDelete(newer)
    expect(sweepActions(tree, elements(2))).toEqual([{ kind: 'relabel', from: 2, to: 1 }])
  })

  test('frees what the only child has no use for', () => {
    const { tree, newer } = family()
    tree.beginDelete(newer)
    expect(sweepActions(tree, elements(1, 2))).toEqual([{ kind: 'free', label: 2 }])
  })

  test('keeps what one of several children inherits, and frees it when none does', () => {
    const { tree, older } = family()
    tree.beginDelete(older)
    expect(sweepActions(tree, elements(1, 4))).toEqual([])
    expect(sweepActions(tree, elements(1, 3, 4))).toEqual([{ kind: 'free', label: 1 }])
  })

  test('kills the orphan: the element of a ghost above that the deleted version was last to see', () => {
    const { tree, older, leaf } = family()
    tree.snapshotOf(older)
    tree.beginDelete(older)
    tree.beginDelete(leaf)
    expect(sweepActions(tree, elements(1, 4, 6))).toEqual([{ kind: 'free', label: 1 }])
  })

  test('relabels what the leaving ghost parent had to the sibling that is left', () => {
    const { tree, older, leaf } = family()
    tree.beginDelete(older)
    tree.beginDelete(leaf)
    expect(sweepActions(tree, elements(1, 3))).toEqual([
      { kind: 'relabel', from: 1, to: 4 },
      { kind: 'free', label: 3 },
    ])
  })

  test('relabels past a child that is leaving too', () => {
    const { tree, older, newer, leaf } = family()
    for (const tag of [older, newer, leaf]) tree.beginDelete(tag)
    expect(sweepActions(tree, elements(2))).toEqual([{ kind: 'relabel', from: 2, to: 4 }])
  })

  test('leaves visible versions alone', () => {
    expect(sweepActions(family().tree, elements(1, 2, 3, 4, 5))).toEqual([])
  })
})

describe('a rollback of an address', () => {
  test('has nothing to do when the snapshot sees the origin', () => {
    const { tree, newer } = family()
    expect(rollbackSteps(tree, elements(), newer)).toEqual([])
  })

  test('gives the only element above all its heirs to the origin', () => {
    const { tree, older } = family()
    expect(rollbackSteps(tree, elements(2, 4), older)).toEqual([
      { kind: 'restore', label: 2 },
      { kind: 'free', label: 2 },
    ])
  })

  test('copies a deeper element when the present is preserved already', () => {
    const { tree, older } = family()
    expect(rollbackSteps(tree, elements(1, 2), older)).toEqual([{ kind: 'restore', label: 1 }])
  })

  test('preserves the present first when a newer snapshot sees it', () => {
    const { tree, older } = family()
    expect(rollbackSteps(tree, elements(1), older)).toEqual([
      { kind: 'preserve', label: 2 },
      { kind: 'restore', label: 1 },
    ])
  })
})

describe('the check of an address', () => {
  test('finds an element of the origin, of an unknown label, and of a ghost without an heir', () => {
    const { tree, older } = family()
    tree.beginDelete(older)
    const check =
      (...labels: number[]) =>
      () => {
        checkElements(tree, elements(...labels))
      }
    expect(check(0)).toThrow('the origin has no elements')
    expect(check(99)).toThrow('no version has the label 99')
    expect(check(1, 3, 4)).toThrow('the element of ghost 1 has an heir')
    expect(check(1, 3)).not.toThrow()
  })
})
