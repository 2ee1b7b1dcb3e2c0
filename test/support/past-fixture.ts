import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { native } from '../../src/base/native.js'
import { O } from '../../src/base/open-flags.js'
import type { CheckOutcome, FileProblem, StoreFinding } from '../../src/daemon/check-report.js'
import { checkVolume } from '../../src/daemon/volume-check-run.js'
import { identityOf } from '../../src/daemon/origin-directory.js'
import { Catalog } from '../../src/store/catalog.js'
import { formatSnapshotName } from '../../src/store/snapshot-name.js'
import { writeVolumeMarker } from '../../src/store/volume-marker.js'
import type { Disk } from '../../src/store/disk.js'
import { realDisk } from '../../src/store/real-disk.js'
import { VolumeStore } from '../../src/store/volume-store.js'
import { TreeVolume } from '../../src/volume/tree-volume.js'
import { VolumeView } from '../../src/view/volume-view.js'
import { lookAtPast, type Look } from './past-look.js'
import type { Random } from './random.js'
import { ViewDriver } from './view-driver.js'

export const chunkBytes = 4096
const segmentBytesMax = 48 << 10

export interface Checked extends CheckOutcome {
  findings: StoreFinding[]
  problems: FileProblem[]
  repaired: string[]
}

/**
 * A volume with a past of which everything is known, in this process and without a mount, to be damaged and
 * looked at.
 */
export class PastFixture {
  readonly root = mkdtempSync(join(tmpdir(), 'bygone-past-'))
  readonly origin = join(this.root, 'origin')
  readonly store = join(this.root, 'store')
  readonly id: string
  /** What each snapshot showed when it was taken, by its name. */
  readonly then = new Map<string, Look>()
  readonly #catalog: Catalog

  constructor() {
    onTestFinished(() => {
      rmSync(this.root, { recursive: true, force: true })
    })
    mkdirSync(join(this.origin, '.bygone/retired'), { recursive: true })
    this.#catalog = Catalog.open(this.store, { create: true })
    const { id } = this.#catalog.addVolume({
      name: 'past',
      origin: this.origin,
      kind: 'tree',
      chunkBytes,
      createdAtMs: Date.now(),
    })
    this.id = id
    const fd = openSync(this.origin, 'r')
    const { storeId } = this.#catalog
    const marker = { volumeId: id, storeId, storePath: this.store, ...identityOf(native(), fd) }
    writeVolumeMarker(fd, marker)
    closeSync(fd)
  }

  get directory(): string {
    return join(this.store, 'volumes', this.id)
  }

  path(name: string): string {
    return join(this.directory, name)
  }

  segments(): string[] {
    return readdirSync(this.path('journal')).filter((name) => name.endsWith('.seg'))
  }

  /** Opens it as a mount would, for as long as `use` takes. Throws Failure where a mount would be refused. */
  session<T>(use: (driver: ViewDriver, volume: TreeVolume) => T): T {
    const store = VolumeStore.open({
      directory: this.directory,
      durability: 'ordered',
      segmentBytesMax,
    })
    try {
      const volume = TreeVolume.open({
        originFd: native().openPath(this.origin, O.PATH | O.DIRECTORY, 0),
        store,
        chunkBytes,
        snapshots: Catalog.open(this.store, { create: false }).volumeById(this.id)?.snapshots ?? [],
      })
      volume.beginSession()
      const view = new VolumeView(volume, {
        isMountedOver: true,
        takeSnapshot: () => undefined,
        deleteSnapshot: () => undefined,
      })
      const driver = new ViewDriver(view)
      try {
        return use(driver, volume)
      } finally {
        driver.forgetAll()
        view.destroy()
        volume.endSession()
        volume.close()
      }
    } finally {
      store.close()
    }
  }

  snapshot(driver: ViewDriver, volume: TreeVolume): string {
    const label = this.#catalog.nextLabel(this.id)
    const timeSec = 1_770_000_000 + label
    const name = formatSnapshotName(timeSec)
    const record = { name, label, timeSec, cutAtMs: Date.now(), memo: '', tags: [], isHeld: false }
    this.#catalog.addSnapshot(this.id, record)
    volume.cut(record)
    this.then.set(name, lookAtPast(driver, name))
    return name
  }

  /** What each snapshot shows. */
  look(): Map<string, Look> {
    return this.session((driver) => {
      const names = [...this.then.keys()]
      return new Map(names.map((name) => [name, lookAtPast(driver, name)]))
    })
  }

  check(options: { data?: boolean; repair?: boolean; disk?: Disk } = {}): Checked {
    const findings: StoreFinding[] = []
    const problems: FileProblem[] = []
    const repaired: string[] = []
    const { id, origin, store } = this
    const { data = false, repair = false, disk = realDisk } = options
    const outcome = checkVolume(
      native(),
      { id, origin, store },
      { data, repair, disk },
      {
        begin: () => undefined,
        finding: (finding) => findings.push(finding),
        problem: (problem) => problems.push(problem),
        repaired: (line) => repaired.push(line),
        progress: () => undefined,
      },
    )
    return { ...outcome, findings, problems, repaired }
  }
}

/** Several snapshots of a tree in which everything was done to files that there is; the journal has several segments. */
export function makePast(random: Random): PastFixture {
  const past = new PastFixture()
  const bytes = (length: number) => Buffer.from(Array.from({ length }, () => random.below(256)))
  past.session((driver, volume) => {
    const write = (path: string, offset: number, data: Buffer) => {
      const handle = driver.open(path)
      driver.write(handle, offset, data)
      driver.close(handle)
    }
    const create = (directory: string, name: string, length: number) => {
      const handle = driver.create(directory, name, 0o644)
      if (length > 0) driver.write(handle, 0, bytes(length))
      driver.close(handle)
    }
    for (const name of ['a', 'b', 'deep', 'still']) driver.mkdir('', name)
    driver.mkdir('deep', 'er')
    for (let at = 0; at < 6; at++) {
      create('a', `file ${at}`, random.between(1, 5 * chunkBytes))
      create('b', `\xff${at}`, random.between(1, 2 * chunkBytes))
      create('still', `${at}`, random.between(1, 2 * chunkBytes))
    }
    create('deep/er', 'big', 20 * chunkBytes)
    create('deep/er', 'sparse', 0)
    write('deep/er/sparse', 30 * chunkBytes, bytes(chunkBytes))
    driver.symlink('a', 'link', 'target of then')
    driver.link('a/file 0', 'b', 'hard')
    driver.setXattr('a/file 1', 'user.mine', 'then')
    past.snapshot(driver, volume)
    write('deep/er/big', 3 * chunkBytes, bytes(6 * chunkBytes))
    write('a/file 0', 10, bytes(100))
    driver.unlink('a', 'file 2')
    driver.rename('a', 'file 3', 'b', 'moved')
    driver.setXattr('a/file 1', 'user.mine', 'later')
    past.snapshot(driver, volume)
    driver.truncate('deep/er/big', 2 * chunkBytes + 5)
    write('deep/er/sparse', chunkBytes, bytes(2 * chunkBytes))
    driver.rename('', 'deep', 'b', 'deeper')
    driver.unlink('a', 'link')
    driver.symlink('a', 'link', 'target of later')
    driver.rename('b', '\xff1', 'b', '\xff2')
    past.snapshot(driver, volume)
    for (let at = 3; at < 6; at++) driver.unlink('b', `\xff${at}`)
    write('b/deeper/er/big', 0, bytes(30 * chunkBytes))
    driver.chmod('b/hard', 0o600)
    driver.rename('b', 'deeper', '', 'deep')
    past.snapshot(driver, volume)
    write('deep/er/big', 7 * chunkBytes, bytes(8 * chunkBytes))
    create('b', 'born', 3 * chunkBytes)
    driver.unlink('b', 'hard')
    driver.rename('b', 'moved', 'a', 'file 3')
  })
  return past
}
