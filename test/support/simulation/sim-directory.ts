/** A directory as programs see it, and the names of it that are on the disk. */
export class SimDirectory {
  readonly ino: number
  /** Whose it is to change: others copy it first. */
  readonly owner: object
  readonly names: Map<string, number>
  readonly synced: Map<string, number>

  constructor(
    ino: number,
    owner: object,
    names: ReadonlyMap<string, number> = new Map(),
    synced: ReadonlyMap<string, number> = new Map(),
  ) {
    this.ino = ino
    this.owner = owner
    this.names = new Map(names)
    this.synced = new Map(synced)
  }

  copy(owner: object): SimDirectory {
    return new SimDirectory(this.ino, owner, this.names, this.synced)
  }
}

/** One name of a directory leads to `ino` now, not to `before`; undefined: nowhere. */
export interface NameChange {
  readonly directory: number
  readonly name: string
  readonly ino: number | undefined
  readonly before: number | undefined
}

/** What one system call did to names: of a rename first what appears, then what goes. */
export type NameOperation = readonly NameChange[]

/** Splits off what a sync of `directory` puts on the disk: all of its operations, and those these build upon. */
export function splitSynced(
  pending: readonly NameOperation[],
  directory: number,
): { synced: NameOperation[]; rest: NameOperation[] } {
  const touched = new Set([directory])
  const synced: NameOperation[] = []
  const rest: NameOperation[] = []
  for (const operation of [...pending].reverse()) {
    const isTouched = operation.some((change) => touched.has(change.directory))
    if (isTouched) for (const change of operation) touched.add(change.directory)
    ;(isTouched ? synced : rest).push(operation)
  }
  return { synced: synced.reverse(), rest: rest.reverse() }
}

export function changeName(names: Map<string, number>, { name, ino, before }: NameChange): void {
  if (ino !== undefined) names.set(name, ino)
  // On a disk that has lost an operation there may be another, which this one did not remove.
  else if (names.get(name) === before) names.delete(name)
}

/**
 * Those of the pending operations that a power loss leaves, in order. Any may be lost, and of a rename the half that
 * removes the old name; but what was to be moved out of the way, and was not, is not overwritten: no rename loses a file.
 */
export function survivingOperations(
  pending: readonly NameOperation[],
  survives: () => boolean,
  isHalved: () => boolean,
): NameOperation[] {
  const notMoved = new Set<string>()
  const surviving: NameOperation[] = []
  for (const operation of pending) {
    const isInTheWay = operation.some((change) => change.ino && notMoved.has(keyOf(change)))
    if (isInTheWay || !survives()) {
      for (const change of operation)
        if (isRename(operation) && !change.ino) notMoved.add(keyOf(change))
    } else if (isRename(operation) && isHalved()) {
      surviving.push(operation.filter((change) => change.ino !== undefined))
      for (const change of operation) if (!change.ino) notMoved.add(keyOf(change))
    } else surviving.push(operation)
  }
  return surviving
}

function isRename(operation: NameOperation): boolean {
  return operation.some(({ ino }) => ino !== undefined) && operation.some(({ ino }) => !ino)
}

function keyOf({ directory, name }: NameChange): string {
  return `${directory}/${name}`
}
