/** Numbers that meet and must not be mixed up. All are integers below 2^53. */

/** An inode of the origin: its st_ino. One object, whatever its names. */
export type ObjectId = number & { readonly __brand: 'ObjectId' }

/** The number of a version on an element; grows with time along the trunk. 0 is the origin itself. */
export type Label = number & { readonly __brand: 'Label' }

/** Which chunk of a file: its byte offset divided by the volume's chunk size. */
export type ChunkIndex = number & { readonly __brand: 'ChunkIndex' }
