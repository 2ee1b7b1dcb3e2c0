/* What node:fs's bigint stats say, in the kernel's own terms. */

const second = 1_000_000_000n

/** Whole seconds since 1970 (may be negative) and nanoseconds. */
export function secondsOf(timeNs: bigint): [sec: number, nsec: number] {
  const nanoseconds = ((timeNs % second) + second) % second
  return [Number((timeNs - nanoseconds) / second), Number(nanoseconds)]
}

/** From glibc's dev_t to the kernel's 32 bits. */
export function kernelDevice(device: bigint): number {
  const major = Number(((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n))
  const minor = Number((device & 0xffn) | ((device >> 12n) & 0xffffff00n))
  return ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0
}
