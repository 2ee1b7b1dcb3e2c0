/** What is wrong with a file of the store, or worth knowing about it. */
export interface StoreFinding {
  /** 'damage': something is lost, or not as bygone left it. 'note': all is as good as it can be. */
  readonly severity: 'damage' | 'note'
  readonly kind: StoreFindingKind
  /** Relative to the store, or '.bygone/...' in the origin. */
  readonly file: string
  /** Bytes [start, end) of the file; undefined: all of it, or none in particular. */
  readonly range?: { readonly start: number; readonly end: number } | undefined
  /** One line for people. */
  readonly text: string
}

export type StoreFindingKind =
  | 'catalog'
  | 'marker'
  | 'sessions'
  | 'pairing'
  | 'segment-missing'
  | 'segment-header'
  | 'segment-order'
  | 'record'
  | 'records-missing'
  | 'journal-tail'
  | 'value'
  | 'chunk-data'
  | 'label'
  | 'index-missing'
  | 'index-state'
  | 'index-structure'
  | 'index-entry'
  | 'index-extra'
  | 'retired-stray'
  | 'retired-file'
  | 'unreachable'
  | 'unknown-file'

export type OnFinding = (finding: StoreFinding) => void

/** How far something long has come: units done of units there are (0: not known). */
export type OnProgress = (what: string, done: number, all: number) => void
