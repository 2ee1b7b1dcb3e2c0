import { DeadlineError } from './child.mjs'

/** The figures of a run, as they come. */
export class Results {
  rows = []
  notes = []
  #progress
  #hung = new Set()
  #isStopped = false

  constructor(progress) {
    this.#progress = progress
  }

  record(key, label, unit, place, numbers) {
    let row = this.rows.find((candidate) => candidate.label === label)
    if (row === undefined) this.rows.push((row = { key, label, unit, values: {} }))
    const before = row.values[place]
    row.values[place] = Array.isArray(before) ? [...before, ...numbers] : numbers
  }

  /** A measurement that fails costs its own cell, and says why below the table. */
  async attempt(place, label, act) {
    if (this.#isStopped || this.#hung.has(place)) return false
    try {
      await act()
      return true
    } catch (error) {
      // What hung once is not asked again: every answer would cost a whole deadline.
      if (error instanceof DeadlineError) this.#hung.add(place)
      this.note(`${place}: ${label}: ${error.message}`)
      const row = this.rows.find((candidate) => candidate.label === label)
      if (row !== undefined) row.values[place] ??= { failed: error.message }
      return false
    }
  }

  /** From now on nothing is measured, and what fails is not recorded. */
  stop() {
    this.#isStopped = true
  }

  note(text) {
    if (this.#isStopped || this.notes.includes(text)) return
    this.#progress(text)
    this.notes.push(text)
  }
}
