import { expect, test } from 'vitest'
import {
  isInside,
  mountAround,
  mountAt,
  mountOwner,
  parseMountTable,
} from '../../src/daemon/mount-table.js'

const table = parseMountTable(
  [
    '22 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard',
    '30 22 0:26 / /run rw,nosuid shared:2 master:1 - tmpfs tmpfs rw,mode=755',
    '41 22 0:45 / /srv/my\\040docs rw,nosuid,nodev - fuse.bygone /srv/my\\040docs rw,user_id=1000,group_id=0',
    '42 41 0:46 / /srv/my\\040docs rw,nosuid,nodev - fuse.bygone /other\\054\\134x rw,user_id=0',
    '43 22 0:47 / /srv/\\303\\244\\012b rw - fuse.bygone none rw',
    '44 22 0:48 / /srv/ü rw - fuse.bygone none rw',
    '',
  ].join('\n'),
)

test('a line gives the device, the place, the type, the source and the options', () => {
  expect(table[2]).toEqual({
    mountId: 41,
    device: '0:45',
    mountPoint: '/srv/my docs',
    options: ['rw', 'nosuid', 'nodev'],
    type: 'fuse.bygone',
    source: '/srv/my docs',
    superOptions: ['rw', 'user_id=1000', 'group_id=0'],
  })
})

test('optional fields between the options and the type are skipped', () => {
  expect(table[1]).toMatchObject({ type: 'tmpfs', source: 'tmpfs' })
})

test('octal escapes stand for bytes, which together make characters', () => {
  expect(table[3]?.source).toBe('/other,\\x')
  expect(table[4]?.mountPoint).toBe('/srv/ä\nb')
})

test('characters that are not escaped stay as they are', () => {
  expect(table[5]?.mountPoint).toBe('/srv/ü')
})

test('of two mounts at one point the later is on top', () => {
  expect(mountAt(table, '/srv/my docs')?.mountId).toBe(42)
})

test('the mount around a path is the innermost one, and a longer name is not inside', () => {
  expect(mountAround(table, '/srv/my docs/a/b')?.mountId).toBe(42)
  expect(mountAround(table, '/srv/my docs2')?.mountId).toBe(22)
  expect(mountAround(table, '/run')?.mountId).toBe(30)
})

test('the owner of a mount is its user_id, and root if it has none', () => {
  expect(table.slice(2, 5).map(mountOwner)).toEqual([1000, 0, 0])
})

test('lines that are not of this form are left out', () => {
  expect(parseMountTable('garbage\n1 2 3:4 / /x rw\n')).toEqual([])
})

test('everything is inside the root, and a directory inside itself', () => {
  expect(isInside('/a', '/')).toBe(true)
  expect(isInside('/a', '/a')).toBe(true)
  expect(isInside('/ab', '/a')).toBe(false)
})
