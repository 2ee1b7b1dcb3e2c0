// A child of the benchmark: does one thing to files and prints how many seconds that took, without
// the time that Node needs to start.
//
//   node operation.mjs NAME ARGUMENT...
import { Buffer } from 'node:buffer'
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readSync,
  readdirSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'

const operations = {
  /** Reads a file from its start to its end in pieces of 1 MiB. */
  read(path) {
    const buffer = Buffer.allocUnsafe(1 << 20)
    return timed(() => {
      const fd = openSync(path, 'r')
      while (readSync(fd, buffer, 0, buffer.length, null) > 0);
      closeSync(fd)
    })
  },

  /** Writes a new file of `bytes` in pieces of `piece`. */
  write(path, bytes, piece) {
    const buffer = Buffer.alloc(Number(piece), 0x5a)
    return timed(() => {
      const fd = openSync(path, 'wx')
      for (let at = 0; at < Number(bytes); at += buffer.length) writeSync(fd, buffer)
      closeSync(fd)
    })
  },

  /** Overwrites `count` of the file's pieces of 64 KiB, each once, in an order that looks random. */
  overwrite(path, bytes, count, sync) {
    const buffer = Buffer.alloc(65_536, Math.floor(Math.random() * 256))
    const pieces = Number(bytes) / buffer.length
    return timed(() => {
      const fd = openSync(path, 'r+')
      // 40,503 is odd and the number of pieces a power of two, so no piece comes twice.
      for (let n = 0; n < Number(count); n++) {
        writeSync(fd, buffer, 0, buffer.length, ((n * 40_503) % pieces) * buffer.length)
      }
      if (sync === 'sync') fsyncSync(fd)
      closeSync(fd)
    })
  },

  /** As a database does: overwrites 4 KiB somewhere and waits until that is on the disk, `count` times. */
  commits(path, bytes, count) {
    const buffer = Buffer.alloc(4_096, Math.floor(Math.random() * 256))
    const pieces = Number(bytes) / buffer.length
    return timed(() => {
      const fd = openSync(path, 'r+')
      for (let n = 0; n < Number(count); n++) {
        writeSync(fd, buffer, 0, buffer.length, ((n * 40_503) % pieces) * buffer.length)
        fsyncSync(fd)
      }
      closeSync(fd)
    })
  },

  /** Overwrites every sixteenth chunk of a large file, and touches every hundredth file of a tree. */
  change(largeFile, bytes, tree) {
    const buffer = Buffer.alloc(65_536, 0xc3)
    return timed(() => {
      const fd = openSync(largeFile, 'r+')
      for (let at = 0; at < Number(bytes); at += 16 * buffer.length) {
        writeSync(fd, buffer, 0, buffer.length, at)
      }
      closeSync(fd)
      let n = 0
      for (const entry of readdirSync(tree, { recursive: true, withFileTypes: true })) {
        if (entry.isFile() && n++ % 100 === 0) utimesSync(join(entry.parentPath, entry.name), 1, 1)
      }
    })
  },

  /** Makes `count` files of 4 KiB in an old directory. */
  make(directory, count) {
    const buffer = Buffer.alloc(4_096, 0xc3)
    return timed(() => {
      for (let n = 0; n < Number(count); n++) writeFileSync(join(directory, `file-${n}`), buffer)
    })
  },

  remove(directory, count) {
    return timed(() => {
      for (let n = 0; n < Number(count); n++) unlinkSync(join(directory, `file-${n}`))
    })
  },

  /**
   * Takes `count` snapshots by mkdir, and before each writes into the next of the files of a tree: `writes` in all, so
   * that as much is kept whatever the count.
   */
  history(mountPoint, tree, count, writes) {
    const files = filesOf(tree)
    const buffer = Buffer.alloc(512, 0x5a)
    let n = 0
    return timed(() => {
      for (let taken = 0; taken < Number(count); taken++) {
        mkdirSync(join(mountPoint, '.snapshots', `history-${taken}`))
        for (; n < ((taken + 1) * Number(writes)) / Number(count); n++) {
          const fd = openSync(files[(n * 7_919) % files.length], 'r+')
          writeSync(fd, buffer, 0, buffer.length, 0)
          closeSync(fd)
        }
      }
    })
  },

  /** Looks up each file of a tree, in an order that looks random; what is listed is the same in a snapshot of it. */
  lookup(tree, snapshotTree) {
    const names = filesOf(tree).map((path) => path.slice(tree.length))
    return timed(() => {
      for (let n = 0; n < names.length; n++) {
        statSync(snapshotTree + names[(n * 7_919) % names.length])
      }
    })
  },

  /** Takes snapshots by mkdir; prints the seconds of each. */
  snapshots(mountPoint, prefix, count) {
    const seconds = []
    for (let n = 0; n < Number(count); n++) {
      seconds.push(timed(() => mkdirSync(join(mountPoint, '.snapshots', `${prefix}-${n}`)))[0])
    }
    return seconds
  },
}

function filesOf(tree) {
  return readdirSync(tree, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
}

function timed(act) {
  const begun = process.hrtime.bigint()
  act()
  return [Number(process.hrtime.bigint() - begun) / 1e9]
}

const [name, ...args] = process.argv.slice(2)
console.log(JSON.stringify(operations[name](...args)))
