import { isErrno } from '../../../src/base/errno.js'
import type { Label } from '../../../src/base/ids.js'
import { pageBytes, type Page } from './sim-file.js'
import { elementKey, type FileImage, type SimVolume, type TreeImage } from './sim-volume.js'

const noBytes = new Uint8Array(pageBytes)

/**
 * How a snapshot differs from what it must be; undefined: it does not.
 *
 * `lost`: elements that a crash may have taken. What they stand for may be as the origin has it now, and nothing else.
 * `mayFail`: the store is damaged, so that any part may be an error.
 */
export function differenceOfPast(
  volume: SimVolume,
  label: Label,
  expected: TreeImage,
  lost: ReadonlySet<string>,
  mayFail = false,
): string | undefined {
  const paths = new Set([...expected.keys(), ...pathsInPast(volume, label, mayFail)])
  for (const path of paths) {
    try {
      const found = differenceAt(volume, label, path, expected.get(path), lost)
      if (found !== undefined) return `${path}: ${found}`
    } catch (error) {
      if (!mayFail || !isErrno(error, 'EIO')) throw error
    }
  }
  return undefined
}

function pathsInPast(volume: SimVolume, label: Label, mayFail: boolean): Set<string> {
  try {
    return volume.pathsInPast(label)
  } catch (error) {
    if (!mayFail || !isErrno(error, 'EIO')) throw error
    return new Set()
  }
}

function differenceAt(
  volume: SimVolume,
  label: Label,
  path: string,
  image: FileImage | undefined,
  lost: ReadonlySet<string>,
): string | undefined {
  const object = volume.objectInPast(path, label)
  if (object === image?.object) return image && differenceOfFile(volume, label, image, lost)
  const isAsNow = lost.has(elementKey.name(path)) && object === volume.disk.numberOf(path)
  return isAsNow ? undefined : `leads to ${object}, not ${image?.object}`
}

function differenceOfFile(
  volume: SimVolume,
  label: Label,
  image: FileImage,
  lost: ReadonlySet<string>,
): string | undefined {
  const { object } = image
  const { sizeBytes, mode } = volume.attributesInPast(object, label)
  let end = image.sizeBytes
  if (sizeBytes !== image.sizeBytes || mode !== image.mode) {
    if (!lost.has(elementKey.attributes(object))) {
      return `size ${sizeBytes} and mode ${mode}, not ${image.sizeBytes} and ${image.mode}`
    }
    // Now it shows what there is; what lies in both must still be right.
    end = Math.min(end, sizeBytes)
  }
  const { chunkBytes } = volume
  for (let chunk = 0; chunk * chunkBytes < end; chunk++) {
    const { pages, isPreserved } = volume.chunkInPast(object, chunk, label)
    const first = (chunk * chunkBytes) / pageBytes
    for (let at = 0; at < chunkBytes / pageBytes; at++) {
      const length = Math.min(pageBytes, end - (first + at) * pageBytes)
      if (length <= 0 || isSame(pages[at], image.pages[first + at], length)) continue
      if (!isPreserved && lost.has(elementKey.chunk(object, chunk))) continue
      const whose = isPreserved ? 'as preserved' : 'in the origin'
      return `page ${first + at} (chunk ${chunk}), ${whose}, is another`
    }
  }
  return undefined
}

function isSame(a: Page, b: Page, length: number): boolean {
  if (a === b) return true
  const one = (a ?? noBytes).subarray(0, length)
  const other = (b ?? noBytes).subarray(0, length)
  return Buffer.compare(one, other) === 0
}
