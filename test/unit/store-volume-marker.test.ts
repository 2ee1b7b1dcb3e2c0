import { closeSync, mkdirSync, openSync, readFileSync, statSync, symlinkSync } from 'node:fs'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { Failure } from '../../src/base/failure.js'
import { readVolumeMarker, writeVolumeMarker } from '../../src/store/volume-marker.js'
import { temporaryDirectory } from '../support/store-fixture.js'

const marker = {
  volumeId: '0123456789abcdef',
  storeId: 'fedcba9876543210',
  storePath: null,
  originIno: 2,
  originBirth: '1700000000.000000001',
}

describe('the marker of a volume', () => {
  let origin: string
  let fd: number

  beforeEach(() => {
    origin = temporaryDirectory()
    fd = openSync(origin, 'r')
    onTestFinished(() => {
      closeSync(fd)
    })
  })

  function write(content: unknown): string {
    mkdirSync(join(origin, '.bygone'), { recursive: true })
    const text = typeof content === 'string' ? content : JSON.stringify(content)
    writeFileSync(join(origin, '.bygone', 'volume.json'), text)
    return text
  }

  test('is not there at first', () => {
    expect(readVolumeMarker(fd)).toBeUndefined()
    mkdirSync(join(origin, '.bygone'))
    expect(readVolumeMarker(fd)).toBeUndefined()
  })

  test('comes back as it was written, and can be replaced', () => {
    writeVolumeMarker(fd, marker)
    expect(readVolumeMarker(fd)).toEqual(marker)
    const other = { ...marker, storePath: '/var/lib/bygone', originBirth: null }
    writeVolumeMarker(fd, other)
    expect(readVolumeMarker(fd)).toEqual(other)
    expect(statSync(join(origin, '.bygone')).mode & 0o777).toBe(0o700)
    expect(readdirSync(join(origin, '.bygone'))).toEqual(['volume.json'])
  })

  test('is not written through a link that stands for .bygone', () => {
    const elsewhere = temporaryDirectory()
    symlinkSync(elsewhere, join(origin, '.bygone'))
    expect(() => {
      writeVolumeMarker(fd, marker)
    }).toThrow(Failure)
    expect(() => readVolumeMarker(fd)).toThrow(Failure)
    expect(readdirSync(elsewhere)).toEqual([])
  })

  test('of a newer version is refused', () => {
    write({ format: 'bygone-volume', version: 2, more: 1 })
    expect(() => readVolumeMarker(fd)).toThrow(/version 2.*newer bygone/)
  })

  test.each([
    ['cut off', '{"format": "bygone-vol'],
    ['of another format', { ...marker, format: 'x', version: 1 }],
    ['with an id that is none', { ...marker, format: 'bygone-volume', version: 1, volumeId: '..' }],
    [
      'with a relative store path',
      { ...marker, format: 'bygone-volume', version: 1, storePath: 'x' },
    ],
    ['with an unknown field', { ...marker, format: 'bygone-volume', version: 1, extra: 0 }],
  ])('%s is damage, and left as it is', (_, content) => {
    const text = write(content)
    expect(() => readVolumeMarker(fd)).toThrow(expect.objectContaining({ kind: 'damaged' }))
    expect(readFileSync(join(origin, '.bygone', 'volume.json'), 'utf8')).toBe(text)
  })
})
