/** Parts of a request's body, as the kernel lays them out. */
export const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value >>> 0)
  return bytes
}
export const u64 = (value: bigint | number): Buffer => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)))
  return bytes
}
/** A NUL-terminated ByteString. */
export const string = (text: string): Buffer => Buffer.from(`${text}\0`, 'latin1')
export const raw = (...bytes: number[]): Buffer => Buffer.from(bytes)

export const requestUnique = 0x1122334455667788n

export interface RequestHeader {
  node?: number | bigint
  uid?: number
  gid?: number
  pid?: number
}

export function requestBytes(opcode: number, header: RequestHeader, ...body: Buffer[]): Buffer {
  const payload = Buffer.concat(body)
  return Buffer.concat([
    u32(40 + payload.length),
    u32(opcode),
    u64(requestUnique),
    u64(header.node ?? 1),
    u32(header.uid ?? 0),
    u32(header.gid ?? 0),
    u32(header.pid ?? 0),
    u32(0),
    payload,
  ])
}

export interface ReplyMessage {
  length: number
  error: number
  unique: bigint
  body: Buffer
}

export function replyMessage(bytes: Buffer): ReplyMessage {
  return {
    length: bytes.readUInt32LE(0),
    error: bytes.readInt32LE(4),
    unique: bytes.readBigUInt64LE(8),
    body: bytes.subarray(16),
  }
}
