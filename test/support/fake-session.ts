import type { ByteString } from '../../src/base/bytes.js'
import type { Session } from '../../src/base/native.js'

/** What the dispatcher asked of the session, in order. */
export type SessionCall = readonly [name: string, ...args: unknown[]]

/** A Session without a kernel: the test puts requests in and reads replies. */
export class FakeSession implements Session {
  readonly request = new ArrayBuffer(2 << 20)
  readonly reply = new ArrayBuffer(64 << 10)
  readonly calls: SessionCall[] = []
  /** What replyRead and replyWrite return. */
  result = 0

  constructor() {
    // As after earlier requests and replies: whoever reads or sends too much is seen.
    new Uint8Array(this.request).fill(0x7f)
    new Uint8Array(this.reply).fill(0xee)
  }

  put(request: Buffer): number {
    new Uint8Array(this.request).set(request)
    return request.length
  }

  sent(replyBytes: number): Buffer {
    return Buffer.from(Buffer.from(this.reply, 0, replyBytes))
  }

  exchange(): number {
    throw new Error('there is no kernel')
  }

  notifyResend(): number {
    this.calls.push(['notifyResend'])
    return this.result
  }

  notifyExpire(parentHigh: number, parentLow: number, name: ByteString): void {
    this.calls.push(['notifyExpire', parentHigh, parentLow, name])
  }

  attach(handle: number, fd: number, guard: number, uid: number, gid: number): void {
    this.calls.push(['attach', handle, fd, guard, uid, gid])
  }

  detach(handle: number): void {
    this.calls.push(['detach', handle])
  }

  replyRead(
    words: Float64Array,
    pieceCount: number,
    planOffset: number,
    planBytes: number,
    reachesEnd: boolean,
    guard: number,
  ): number {
    const pieces = [...words.subarray(0, pieceCount * 7)]
    this.calls.push(['replyRead', pieces, planOffset, planBytes, reachesEnd, guard])
    return this.result
  }

  replyWrite(fd: number): number {
    this.calls.push(['replyWrite', fd])
    return this.result
  }

  replyAfterSync(fds: readonly number[], dataOnly: boolean): void {
    this.calls.push(['replyAfterSync', [...fds], dataOnly])
  }

  notifyEntry(): void {
    throw new Error('unexpected notification')
  }

  notifyInode(nodeHigh: number, nodeLow: number, offset: number, length: number): void {
    this.calls.push(['notifyInode', nodeHigh, nodeLow, offset, length])
  }

  expireAttributes(nodeHigh: number, nodeLow: number): void {
    this.calls.push(['expireAttributes', nodeHigh, nodeLow])
  }

  close(): void {
    this.calls.push(['close'])
  }

  stats(): ReturnType<Session['stats']> {
    return { requests: 0, readsServed: 0, writesServed: 0, repliesRefused: 0, handlesAttached: 0 }
  }
}
