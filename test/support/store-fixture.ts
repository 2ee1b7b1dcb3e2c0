import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { Attributes } from '../../src/base/attributes.js'
import type { ByteString } from '../../src/base/bytes.js'
import type { ChunkIndex, Label, ObjectId } from '../../src/base/ids.js'
import type { Location, NameElement, PreservedAttributes } from '../../src/store/elements.js'
import { VolumeStore, type VolumeStoreOptions } from '../../src/store/volume-store.js'
import type { Random } from './random.js'

export const object = (n: number): ObjectId => n as ObjectId
export const label = (n: number): Label => n as Label
export const chunk = (n: number): ChunkIndex => n as ChunkIndex
export const name = (text: string): ByteString => text as ByteString

/** Removed when the test ends. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'bygone-store-'))
  onTestFinished(() => {
    rmSync(directory, { recursive: true, force: true })
  })
  return directory
}

/** A volume of its own, or the one in `directory`; closed when the test ends. */
export function openStore(
  directory = join(temporaryDirectory(), 'volume'),
  options: Partial<VolumeStoreOptions> = {},
): VolumeStore {
  const store = VolumeStore.open({ directory, durability: 'ordered', ...options })
  onTestFinished(() => {
    store.close()
  })
  return store
}

/** What a crash leaves: the files as they are while the volume is open. */
export function copyVolume(directory: string): string {
  const copy = join(temporaryDirectory(), 'volume')
  cpSync(directory, copy, { recursive: true })
  return copy
}

export function addName(
  store: VolumeStore,
  directory: number,
  named: string,
  at: number,
  element: NameElement,
): void {
  const change = store.change()
  change.addName(object(directory), name(named), label(at), element)
  store.commit(change)
}

export function randomAttributes(random: Random): PreservedAttributes {
  const attributes = new Attributes()
  const u32 = (): number => random.below(2 ** 32)
  Object.assign(attributes, {
    inoHigh: u32(),
    inoLow: u32(),
    mode: random.below(0o200000),
    nlink: random.between(1, 70000),
    uid: u32(),
    gid: u32(),
    rdev: u32(),
    sizeBytes: random.below(2 ** 53),
    blocks: random.below(2 ** 40),
    blockBytes: 4096,
    atimeSec: random.between(-(2 ** 40), 2 ** 40),
    atimeNsec: random.below(1e9),
    mtimeSec: random.between(-(2 ** 40), 2 ** 40),
    mtimeNsec: random.below(1e9),
    ctimeSec: random.between(-(2 ** 40), 2 ** 40),
    ctimeNsec: random.below(1e9),
    btimeSec: random.isLikely(0.5) ? Number.NaN : random.between(0, 2 ** 40),
    btimeNsec: random.below(1e9),
  })
  const xattrs = Array.from({ length: random.below(4) }, (_, at) => {
    const value = Buffer.alloc(random.below(300), random.below(256))
    return [name(`user.\xff${at}`), value] as const
  })
  return {
    attributes,
    xattrs,
    sizeMaxBytes: random.below(2 ** 53),
    bornAfter: label(random.below(5)),
  }
}

export function randomLocation(random: Random): Location {
  return {
    isRetired: random.isLikely(0.5),
    places: Array.from({ length: random.between(1, 3) }, () => ({
      parent: object(random.between(1, 2 ** 53 - 1)),
      name: name(randomName(random)),
    })),
    bornAfter: label(random.below(5)),
    writtenAt: label(random.below(5)),
  }
}

/** Any bytes but NUL and '/', as a name may have. */
export function randomName(random: Random): string {
  const length = random.isLikely(0.05) ? 255 : random.between(1, 6)
  const bytes = Array.from({ length }, () => random.pick([1, 0x2e, 0x41, 0x61, 0xc3, 0xff]))
  const text = String.fromCharCode(...bytes)
  return text === '.' || text === '..' ? `${text}a` : text
}

/** As readdir(3) has it. */
export function randomType(random: Random): number {
  return random.pick([0, 1, 2, 4, 6, 8, 10, 12])
}
