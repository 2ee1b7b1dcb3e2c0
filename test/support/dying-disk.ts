import type { Disk, OpenFor } from '../../src/store/disk.js'
import { RealDisk } from '../../src/store/real-disk.js'

/** Does what a disk does until it has changed something so often, and nothing any more from then on. */
export class DyingDisk extends RealDisk implements Disk {
  #changesLeft: number

  constructor(changes: number) {
    super()
    this.#changesLeft = changes
  }

  get isDead(): boolean {
    return this.#changesLeft < 0
  }

  override open(path: string, openFor: OpenFor): number {
    if (openFor !== 'reading' && openFor !== 'directory') this.#change()
    return super.open(path, openFor)
  }

  override write(fd: number, bytes: Uint8Array, offset: number): void {
    this.#change()
    super.write(fd, bytes, offset)
  }

  override truncate(fd: number, sizeBytes: number): void {
    this.#change()
    super.truncate(fd, sizeBytes)
  }

  override rename(from: string, to: string): void {
    this.#change()
    super.rename(from, to)
  }

  override remove(path: string): void {
    this.#change()
    super.remove(path)
  }

  override makeDirectories(path: string): string | undefined {
    this.#change()
    return super.makeDirectories(path)
  }

  #change(): void {
    if (this.#changesLeft-- > 0) return
    this.#changesLeft = -1
    throw Object.assign(new Error('EIO: the disk is dead'), { code: 'EIO', errno: -5 })
  }
}
