import { describe, expect, test } from 'vitest'
import { Failure } from '../../src/base/failure.js'
import { restoreVersionTree, versionTreeRecord } from '../../src/version/version-tree-record.js'
import { VersionTree } from '../../src/version/version-tree.js'

/** 0(2(1(3 !4))) with 4 deleted and not swept. */
function grown(): VersionTree {
  const tree = new VersionTree()
  const older = tree.snapshotOrigin()
  tree.snapshotOrigin()
  tree.snapshotOf(older)
  tree.beginDelete(tree.snapshotOf(older))
  return tree
}

const record = {
  labelNext: 5,
  versions: [
    { label: 2, parent: 0, tag: 2 },
    { label: 1, parent: 2, tag: 1 },
    { label: 3, parent: 1, tag: 3 },
    { label: 4, parent: 1, tag: null },
  ],
  unswept: [4],
}

function withVersion(index: number, change: object): object {
  const versions = record.versions.map((version, at) =>
    at === index ? { ...version, ...change } : version,
  )
  return { ...record, versions }
}

describe('the record of a version tree', () => {
  test('is plain JSON with parents before children', () => {
    expect(versionTreeRecord(grown())).toEqual(record)
  })

  test('restores a tree that goes on where the first one stopped', () => {
    const tree = restoreVersionTree(JSON.parse(JSON.stringify(record)))
    expect(versionTreeRecord(tree)).toEqual(record)
    expect(tree.beginSweep()?.leaving).toEqual(new Set([4]))
    expect(tree.snapshotOrigin()).toBe(5)
  })

  test.each([
    ['no object', []],
    ['no versions', { labelNext: 1, unswept: [] }],
    ['a label that is no number', withVersion(0, { label: '2' })],
    ['a label of the origin', withVersion(0, { label: 0 })],
    ['a label twice', withVersion(2, { label: 4 })],
    ['a label that was never given', { ...record, labelNext: 4 }],
    ['a parent that does not exist', withVersion(1, { parent: 7 })],
    ['a cycle', withVersion(0, { parent: 1 })],
    ['a second child of the origin', withVersion(1, { parent: 0 })],
    ['a tag twice', withVersion(2, { tag: 1 })],
    ['the tag of the origin', withVersion(2, { tag: 0 })],
    ['a deleted version that is visible', { ...record, unswept: [3] }],
    ['a deleted version that does not exist', { ...record, unswept: [9] }],
    ['a ghost that joins no branches', { ...record, unswept: [] }],
  ])('is refused with %s', (_, json) => {
    expect(() => restoreVersionTree(json)).toThrow(Failure)
  })
})
