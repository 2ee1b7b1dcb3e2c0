import type { FileSystem } from '../../src/fuse/file-system.js'

type Method = keyof FileSystem

/** What a file system need not have, and has here only if the script says so. */
export const optionalMethods: readonly string[] = ['begins', 'ends', 'agreed', 'eachOpened']

/**
 * A FileSystem that notes each call with a copy of its arguments (the dispatcher reuses its objects)
 * and does what the test says.
 */
export class ScriptedFileSystem {
  readonly calls: unknown[][] = []
  readonly fileSystem: FileSystem
  readonly #script: Partial<FileSystem>

  constructor(script: Partial<FileSystem>) {
    this.#script = script
    this.fileSystem = new Proxy({} as FileSystem, {
      get: (_, name) => this.#method(name as Method),
    })
  }

  #method(name: Method): unknown {
    if (optionalMethods.includes(name) && this.#script[name] === undefined) return undefined
    return (...args: unknown[]): unknown => {
      this.calls.push([name, ...args.map(copied)])
      const scripted = this.#script[name] as ((...args: unknown[]) => unknown) | undefined
      return scripted?.(...args)
    }
  }
}

/** Reply objects are the transport's own business; callers and changes are data. */
function copied(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  if ('umask' in value || 'killPrivileges' in value) return { ...value }
  return 'out'
}
