/** How a volume is shown. */
export interface ViewOptions {
  /** The mount hides the origin, so nobody else can change it: the kernel may trust what it was told for ever. */
  readonly isMountedOver: boolean
  /** mkdir .snapshots/TAG: takes a snapshot with that tag before it returns. Throws FsError. */
  readonly takeSnapshot: (tag: string) => void
}

/** For ever: below a snapshot nothing changes, and what bygone itself changes it tells the kernel. */
export const ttlForeverMs = Infinity

/** Where the origin can be changed beside the mount. */
export const ttlSharedMs = 1000
