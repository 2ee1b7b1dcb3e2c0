import { Attributes } from '../base/attributes.js'
import { byteStringOf, type ByteString } from '../base/bytes.js'
import type { Label } from '../base/ids.js'
import { damaged } from './element-values.js'
import type { PreservedAttributes } from './elements.js'
import { readU64le, writeU64le } from './integers.js'

/** The value of an attributes element, drawn in FORMAT.md. */

const modeMax = 0o177777
const bornAfterAt = 104
const xattrCountAt = 108
const fixedBytes = 110

export function attributesValueBytesMax(preserved: PreservedAttributes): number {
  return preserved.xattrs.reduce(
    (sum, [name, value]) => sum + 6 + name.length + value.length,
    fixedBytes,
  )
}

export function writeAttributesValue(
  to: Buffer,
  at: number,
  preserved: PreservedAttributes,
): number {
  const { attributes, xattrs, sizeMaxBytes, bornAfter } = preserved
  to.writeUInt32LE(attributes.mode, at)
  to.writeUInt32LE(attributes.nlink, at + 4)
  to.writeUInt32LE(attributes.uid, at + 8)
  to.writeUInt32LE(attributes.gid, at + 12)
  to.writeUInt32LE(attributes.rdev, at + 16)
  to.writeUInt32LE(attributes.blockBytes, at + 20)
  to.writeUInt32LE(attributes.inoLow, at + 24)
  to.writeUInt32LE(attributes.inoHigh, at + 28)
  writeU64le(to, attributes.sizeBytes, at + 32)
  writeU64le(to, sizeMaxBytes, at + 40)
  writeU64le(to, attributes.blocks, at + 48)
  to.writeDoubleLE(attributes.atimeSec, at + 56)
  to.writeDoubleLE(attributes.mtimeSec, at + 64)
  to.writeDoubleLE(attributes.ctimeSec, at + 72)
  to.writeDoubleLE(attributes.btimeSec, at + 80)
  to.writeUInt32LE(attributes.atimeNsec, at + 88)
  to.writeUInt32LE(attributes.mtimeNsec, at + 92)
  to.writeUInt32LE(attributes.ctimeNsec, at + 96)
  to.writeUInt32LE(attributes.btimeNsec, at + 100)
  to.writeUInt32LE(bornAfter, at + bornAfterAt)
  let end = to.writeUInt16LE(xattrs.length, at + xattrCountAt)
  for (const [name, value] of xattrs) {
    end = to.writeUInt16LE(name.length, end)
    end = to.writeUInt32LE(value.length, end)
    end += to.write(name, end, 'latin1')
    to.set(value, end)
    end += value.length
  }
  return end
}

export function readAttributesValue(from: Buffer, end: number): PreservedAttributes {
  if (end < fixedBytes) throw damaged('attributes')
  const attributes = new Attributes()
  attributes.mode = from.readUInt32LE(0)
  attributes.nlink = from.readUInt32LE(4)
  attributes.uid = from.readUInt32LE(8)
  attributes.gid = from.readUInt32LE(12)
  attributes.rdev = from.readUInt32LE(16)
  attributes.blockBytes = from.readUInt32LE(20)
  attributes.inoLow = from.readUInt32LE(24)
  attributes.inoHigh = from.readUInt32LE(28)
  attributes.sizeBytes = readU64le(from, 32)
  attributes.blocks = readU64le(from, 48)
  attributes.atimeSec = from.readDoubleLE(56)
  attributes.mtimeSec = from.readDoubleLE(64)
  attributes.ctimeSec = from.readDoubleLE(72)
  attributes.btimeSec = from.readDoubleLE(80)
  attributes.atimeNsec = from.readUInt32LE(88)
  attributes.mtimeNsec = from.readUInt32LE(92)
  attributes.ctimeNsec = from.readUInt32LE(96)
  attributes.btimeNsec = from.readUInt32LE(100)
  const sizeMaxBytes = readU64le(from, 40)
  if (!areSound(attributes) || !Number.isSafeInteger(sizeMaxBytes)) throw damaged('attributes')
  return {
    attributes,
    xattrs: readXattrs(from, end),
    sizeMaxBytes,
    bornAfter: bornAfterOf(from, end),
  }
}

/** Every number in the range that the kernel takes. */
function areSound(attributes: Attributes): boolean {
  const wholes = [attributes.sizeBytes, attributes.blocks]
  const seconds = [attributes.atimeSec, attributes.mtimeSec, attributes.ctimeSec]
  if (!Number.isNaN(attributes.btimeSec)) seconds.push(attributes.btimeSec)
  const { atimeNsec, mtimeNsec, ctimeNsec, btimeNsec } = attributes
  return (
    attributes.mode <= modeMax &&
    [...wholes, ...seconds].every(Number.isSafeInteger) &&
    Math.max(atimeNsec, mtimeNsec, ctimeNsec, btimeNsec) < 1e9
  )
}

/** The one part that the sweep needs. */
export function bornAfterOf(from: Buffer, end: number): Label | 0 {
  if (end < fixedBytes) throw damaged('attributes')
  return from.readUInt32LE(bornAfterAt) as Label
}

function readXattrs(from: Buffer, end: number): PreservedAttributes['xattrs'] {
  const xattrs: (readonly [ByteString, Uint8Array])[] = []
  let at = fixedBytes
  for (let count = from.readUInt16LE(xattrCountAt); count > 0; count--) {
    const nameStart = at + 6
    if (nameStart > end) throw damaged('xattrs')
    const nameEnd = nameStart + from.readUInt16LE(at)
    const valueEnd = nameEnd + from.readUInt32LE(at + 2)
    if (valueEnd > end) throw damaged('xattrs')
    // Copies: `from` is a buffer that the next lookup overwrites.
    xattrs.push([
      byteStringOf(from.subarray(nameStart, nameEnd)),
      Buffer.from(from.subarray(nameEnd, valueEnd)),
    ])
    at = valueEnd
  }
  if (at !== end) throw damaged('xattrs')
  return xattrs
}
