import { Buffer } from 'node:buffer'
import { closeSync, ftruncateSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/** The same bytes in every run, and no two files alike. */
function bytesOf(seed, length) {
  const bytes = Buffer.allocUnsafe(length)
  let state = (seed * 2_654_435_761 + 1) >>> 0
  for (let at = 0; at + 4 <= length; at += 4) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    bytes.writeUInt32LE(state, at)
  }
  return bytes
}

/**
 * `files` files below `root`, twenty a directory, ten directories a directory: like sources, most
 * are small (1 to 9 KiB). Only for plain directories: this process must not touch a mount.
 */
export function makeTree(root, files, { bytesMax = 9_216 } = {}) {
  for (let file = 0; file < files; file += 20) {
    const group = Math.floor(file / 200)
    const directory = join(root, `group-${group}`, `part-${(file / 20) % 10}`)
    mkdirSync(directory, { recursive: true })
    for (let n = file; n < Math.min(file + 20, files); n++) {
      const length = bytesMax === 0 ? 0 : 1_024 + ((n * 7_919) % (bytesMax - 1_023))
      writeFileSync(join(directory, `file-${n}.txt`), bytesOf(n, length))
    }
  }
}

export function makeLargeFile(path, bytes) {
  const fd = openSync(path, 'w')
  const mebibyte = bytesOf(1, 1 << 20)
  for (let at = 0; at < bytes; at += 1 << 20) {
    mebibyte.writeUInt32LE(at / (1 << 20), 0)
    writeSync(fd, mebibyte, 0, mebibyte.length, at)
  }
  ftruncateSync(fd, bytes)
  closeSync(fd)
}
