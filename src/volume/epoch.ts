import type { Label } from '../base/ids.js'

/** The time since the newest snapshot, named by that snapshot's label; 0 before the first one. */
export class Epoch {
  newest: Label

  constructor(newest: Label) {
    this.newest = newest
  }
}
