import { Failure } from '../base/failure.js'
import type { LowWaterMark } from './space.js'

/** What `bygone mount` asks a daemon for. Paths are absolute and free of symbolic links. */
export interface MountOrder {
  origin: string
  /** The same as origin: over the origin itself. */
  mountPoint: string
  store: string
  /** undefined: the volume's own, or the origin's last component at first use. */
  name: string | undefined
  /** undefined: the volume's own, or the default at first use. */
  chunkBytes: number | undefined
  transport: Transport
  durability: Durability
  allowOther: boolean
  allowSuid: boolean
  allowDev: boolean
  /** When to warn of a full disk; undefined: by default. */
  lowWater: LowWaterMark | undefined
  /** The origins of a group that it is one of: schedules wait until all are mounted, and take snapshots of all or none. */
  together?: readonly string[] | undefined
}

export type Transport = (typeof transports)[number]
export type Durability = (typeof durabilities)[number]

export const transports = ['native', 'fuse-native'] as const
export const durabilities = ['ordered', 'strict'] as const

export const chunkBytesDefault = 64 * 1024
const chunkBytesMin = 4 * 1024
const chunkBytesMax = 4 * 1024 * 1024

export function isChunkSize(bytes: number): boolean {
  return bytes >= chunkBytesMin && bytes <= chunkBytesMax && (bytes & (bytes - 1)) === 0
}

/** Checks an order that came from outside: its shape; whether it can be met is seen when it is tried. */
export function parseMountOrder(value: unknown): MountOrder {
  if (typeof value !== 'object' || value === null) throw wrong('order')
  const order = value as Record<string, unknown>
  const name = order['name']
  if (name !== undefined && typeof name !== 'string') throw wrong('name')
  const chunkBytes = order['chunkBytes']
  if (chunkBytes !== undefined && !(typeof chunkBytes === 'number' && isChunkSize(chunkBytes))) {
    throw wrong('chunkBytes')
  }
  return {
    origin: path(order, 'origin'),
    mountPoint: path(order, 'mountPoint'),
    store: path(order, 'store'),
    name,
    chunkBytes,
    transport: oneOf(order, 'transport', transports),
    durability: oneOf(order, 'durability', durabilities),
    allowOther: order['allowOther'] === true,
    allowSuid: order['allowSuid'] === true,
    allowDev: order['allowDev'] === true,
    lowWater: lowWaterMark(order['lowWater']),
    together: origins(order['together']),
  }
}

function path(order: Record<string, unknown>, field: string): string {
  const value = order[field]
  if (typeof value !== 'string' || !value.startsWith('/') || value.includes('\0')) {
    throw wrong(field)
  }
  return value
}

function origins(value: unknown): string[] | undefined {
  if (value === undefined) return undefined
  if (Array.isArray(value) && value.every((each) => typeof each === 'string')) return value
  throw wrong('together')
}

function lowWaterMark(value: unknown): LowWaterMark | undefined {
  if (value === undefined) return undefined
  if (typeof value !== 'object' || value === null) throw wrong('lowWater')
  const { percent, bytes } = value as { percent?: unknown; bytes?: unknown }
  if (typeof percent === 'number' && percent >= 0 && percent <= 100) return { percent }
  if (typeof bytes === 'number' && bytes >= 0) return { bytes }
  throw wrong('lowWater')
}

function oneOf<T extends string>(
  order: Record<string, unknown>,
  field: string,
  values: readonly T[],
): T {
  const value = values.find((each) => each === order[field])
  if (value === undefined) throw wrong(field)
  return value
}

function wrong(field: string): Failure {
  return new Failure('usage', `the mount order's ${field} is not valid`)
}
