import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ObjectId } from '../../src/base/ids.js'
import { Random, seedOfThisRun } from '../support/random.js'
import { VolumeWorld } from '../support/volume-world.js'

const seed = seedOfThisRun()

describe(`names of the live tree: BYGONE_SEED=${seed}`, () => {
  let world: VolumeWorld
  beforeEach(() => {
    world = new VolumeWorld(4096)
  })
  afterEach(() => {
    world.remove()
  })

  const objectOf = (path: string): ObjectId =>
    (world.driver.find(path)?.attributes.inoLow ?? 0) as ObjectId

  test('a file that was removed and is still known answers for its attributes', () => {
    world.snapshot()
    const handle = world.driver.create('', 'born', 0o600)
    world.driver.close(handle)
    const node = world.driver.must('born')
    world.driver.unlink('', 'born')
    expect(world.driver.attributesOf(node).nlink).toBe(0)
  })

  test('so does one that a snapshot keeps', () => {
    world.driver.close(world.driver.create('', 'old', 0o600))
    world.snapshot()
    const node = world.driver.must('old')
    world.driver.unlink('', 'old')
    expect(world.driver.attributesOf(node).nlink).toBe(0)
    expect(world.driver.list('')).not.toContain('old')
  })

  test('a hard link that is kept for a snapshot is not counted in the live tree', () => {
    world.driver.close(world.driver.create('', 'one', 0o600))
    world.driver.link('one', '', 'two')
    const { name } = world.snapshot()
    world.driver.unlink('', 'one')
    expect(world.driver.find('two')?.attributes.nlink).toBe(1)
    world.driver.forgetAll()
    expect(world.driver.find('two')?.attributes.nlink).toBe(1)
    expect(world.driver.find(`${name}/two`)?.attributes.nlink).toBe(2)
  })

  test('a file with many names is the same by each of them, whichever others come and go', () => {
    const random = new Random(seed)
    const { driver } = world
    const directories = ['', 'one', 'two']
    for (const directory of directories.slice(1)) driver.mkdir('', directory)
    driver.close(driver.create('', 'file', 0o600))
    const node = driver.must('file')
    const names = new Set(['file'])
    for (let step = 0; step < 600; step++) {
      const directory = random.pick(directories)
      const name = `${random.below(20)}`
      const path = directory === '' ? name : `${directory}/${name}`
      if (!names.has(path)) {
        driver.link(random.pick([...names]), directory, name)
        names.add(path)
      } else if (names.size > 1) {
        driver.unlink(directory, name)
        names.delete(path)
      }
      expect(driver.attributesOf(node).nlink).toBe(names.size)
    }
    for (const path of names) expect(driver.must(path)).toBe(node)
    for (const path of names) {
      expect(driver.attributesOf(node).nlink).toBeGreaterThan(0)
      const [directory, name] = path.includes('/') ? path.split('/') : ['', path]
      driver.unlink(directory ?? '', name ?? '')
    }
    expect(driver.attributesOf(node).nlink).toBe(0)
  })

  test('a file made without a name is in the snapshots after it got one, and in no earlier', () => {
    const { name: before } = world.snapshot()
    const { node, handle } = world.driver.createUnnamed('', 0o640)
    world.driver.write(handle, 0, Buffer.from('unnamed'))
    expect(world.driver.attributesOf(node).nlink).toBe(0)
    const { name: meanwhile } = world.snapshot()
    world.driver.linkNode(node, '', 'named')
    const { name: after } = world.snapshot()
    world.driver.write(handle, 0, Buffer.from('changed'))
    world.driver.close(handle)
    world.driver.unlink('', 'named')
    world.driver.forgetAll()
    expect(world.driver.list(before)).toEqual([])
    expect(world.driver.list(meanwhile)).toEqual([])
    expect(world.driver.read(`${after}/named`).toString()).toBe('unnamed')
  })

  test('the number of a directory that is removed for good means nothing any more', () => {
    world.driver.close(world.driver.create('', 'old', 0o600))
    world.snapshot()
    world.driver.mkdir('', 'born')
    const object = objectOf('born')
    world.driver.rename('', 'old', 'born', 'moved')
    expect(world.volume.store.location(object)).toBeDefined()
    world.driver.rename('born', 'moved', '', 'old')
    world.driver.rmdir('', 'born')
    expect(world.volume.store.location(object)).toBeUndefined()
  })

  test('what is born after the newest snapshot adds nothing to the index', () => {
    world.driver.mkdir('', 'before')
    world.snapshot()
    world.driver.mkdir('', 'new')
    const { indexEntriesAdded: entries } = world.volume.gauges()
    for (let index = 0; index < 50; index++) {
      world.driver.close(world.driver.create('new', `file${index}`, 0o600))
      world.driver.mkdir('new', `directory${index}`)
      world.driver.unlink('new', `file${index}`)
    }
    expect(world.volume.gauges()['indexEntriesAdded']).toBe(entries)
  })
})
