import { expect, test } from 'vitest'
import type { Label } from '../../src/base/ids.js'
import { formatSnapshotName } from '../../src/store/snapshot-name.js'
import type { SnapshotRecord } from '../../src/store/snapshot-record.js'
import { SnapshotNames } from '../../src/volume/snapshot-names.js'

function record(label: number, ...tags: string[]): SnapshotRecord {
  const name = formatSnapshotName(label)
  return { name, label: label as Label, timeSec: label, cutAtMs: 0, memo: '', tags, isHeld: false }
}

test('a name stands for the newest snapshot that has it, whatever is added, changed and removed', () => {
  const all = [record(1, 'a', 'b'), record(2, 'b')]
  const names = new SnapshotNames(all)
  const labels = (...below: string[]) => below.map((name) => names.below(name)?.label)
  expect(labels('a', 'b', 'c', '1970-01-01_00.00.02')).toEqual([1, 2, undefined, 2])
  expect(names.named('@GMT-1970.01.01-00.00.01')?.label).toBe(1)
  all.push(record(3, 'c', 'a'))
  names.noteAdded(record(3, 'c', 'a'))
  expect(labels('a', 'b', 'c')).toEqual([3, 2, 3])
  expect(names.named('@GMT-1970.01.01-00.00.03')?.label).toBe(3)
  all.splice(1, 2, record(3, 'x'))
  names.noteChanged()
  expect(labels('a', 'b', 'c', 'x', '1970-01-01_00.00.02')).toEqual([1, 1, undefined, 3, undefined])
})
