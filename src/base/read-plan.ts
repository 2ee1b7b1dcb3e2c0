/**
 * Where the bytes of one read come from, in file order without gaps: the addon fetches them, so that
 * they never enter JavaScript. The layout of `words` is shared with native/core/read_plan.h.
 *
 * Descriptors are borrowed: whoever made the plan keeps them open while the plan is in use.
 */
export class ReadPlan {
  static readonly wordsPerPiece = 7
  static readonly kindHole = 0
  static readonly kindFile = 1
  static readonly kindRecord = 2

  words = new Float64Array(64 * ReadPlan.wordsPerPiece)
  pieceCount = 0
  /** File offset of the first piece. */
  offset = 0
  lengthBytes = 0
  /** Whether the plan ends at the end of the file: a read beyond it is short, not unplanned. */
  reachesEnd = false

  begin(offset: number): void {
    this.offset = offset
    this.pieceCount = 0
    this.lengthBytes = 0
    this.reachesEnd = false
  }

  /** Zeros. */
  addHole(length: number): void {
    this.#add(ReadPlan.kindHole, length, -1, 0, 0, 0, 0)
  }

  /** Bytes of an open file; past that file's end they are zeros. */
  addFile(fd: number, fileOffset: number, length: number): void {
    this.#add(ReadPlan.kindFile, length, fd, fileOffset, 0, 0, 0)
  }

  /**
   * `length` bytes from `skip` on of a checksummed run of `runBytes` bytes at `runOffset` of `fd`.
   * The whole run is read and its CRC-32C compared; a mismatch is EIO.
   */
  addRecord(
    fd: number,
    runOffset: number,
    runBytes: number,
    crc: number,
    skip: number,
    length: number,
  ): void {
    this.#add(ReadPlan.kindRecord, length, fd, runOffset, runBytes, crc, skip)
  }

  #add(
    kind: number,
    length: number,
    fd: number,
    offset: number,
    runBytes: number,
    crc: number,
    skip: number,
  ): void {
    const at = this.pieceCount * ReadPlan.wordsPerPiece
    if (at === this.words.length) {
      const larger = new Float64Array(this.words.length * 2)
      larger.set(this.words)
      this.words = larger
    }
    const words = this.words
    words[at] = kind
    words[at + 1] = length
    words[at + 2] = fd
    words[at + 3] = offset
    words[at + 4] = runBytes
    words[at + 5] = crc
    words[at + 6] = skip
    this.pieceCount++
    this.lengthBytes += length
  }
}
