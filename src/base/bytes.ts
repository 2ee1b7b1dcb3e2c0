/**
 * A file name, path component, symlink target or xattr name exactly as the kernel has it: one
 * character for each byte (latin1), so that no name is changed or lost, valid UTF-8 or not.
 */
export type ByteString = string & { readonly __brand: 'ByteString' }

/** Of one component of a path, as any file system of Linux may have it; the kernel lets FUSE have up to 1,024. */
export const nameBytesMax = 1024

/** Whether it can be a name in a directory: never one that leads elsewhere. */
export function isName(name: ByteString): boolean {
  const hasLength = name.length > 0 && name.length <= nameBytesMax
  return hasLength && name !== '.' && name !== '..' && !name.includes('/') && !name.includes('\0')
}

export function byteStringOf(bytes: Uint8Array): ByteString {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1') as ByteString
}

export function bytesOf(name: ByteString): Buffer {
  return Buffer.from(name, 'latin1')
}

/** For names that people typed or will read: a JavaScript string as UTF-8 bytes, and back. */
export function byteStringOfText(text: string): ByteString {
  return Buffer.from(text, 'utf8').toString('latin1') as ByteString
}

export function textOf(name: ByteString): string {
  return Buffer.from(name, 'latin1').toString('utf8')
}
