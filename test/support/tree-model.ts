import type { Random } from './random.js'

/** What the generator remembers of a tree: enough to name things that are there. */
export interface ModelNode {
  kind: 'file' | 'directory' | 'symlink' | 'special'
  children: Map<string, ModelNode>
}

export interface Place {
  path: string
  parent: ModelNode
  name: string
  node: ModelNode
}

export function modelNode(kind: ModelNode['kind']): ModelNode {
  return { kind, children: new Map() }
}

/**
 * Names and kinds of a tree, as far as operations succeeded. It may be wrong after a kill: then
 * operations fail on the mount and on the mirror alike, and `replaceBy` sets it right.
 */
export class TreeModel {
  #root = modelNode('directory')

  places(kind?: ModelNode['kind']): Place[] {
    const found: Place[] = []
    const walk = (directory: ModelNode, prefix: string) => {
      for (const [name, node] of directory.children) {
        const path = prefix + name
        if (kind === undefined || node.kind === kind) {
          found.push({ path, parent: directory, name, node })
        }
        walk(node, `${path}/`)
      }
    }
    walk(this.#root, '')
    return found
  }

  /** A directory's path, '' being the root. */
  pickDirectory(random: Random): { path: string; node: ModelNode } {
    const directories = [{ path: '', node: this.#root }, ...this.places('directory')]
    return random.pick(directories)
  }

  nodeAt(path: string): ModelNode | undefined {
    let node: ModelNode | undefined = this.#root
    for (const name of path === '' ? [] : path.split('/')) node = node?.children.get(name)
    return node
  }

  put(path: string, node: ModelNode): void {
    const { parent, name } = this.#split(path)
    parent?.children.set(name, node)
  }

  remove(path: string): ModelNode | undefined {
    const { parent, name } = this.#split(path)
    const node = parent?.children.get(name)
    parent?.children.delete(name)
    return node
  }

  replaceBy(entries: readonly { path: string; mode: number }[]): void {
    this.#root = modelNode('directory')
    // Parents sort before their children only by length: '/' is not the smallest byte.
    const byDepth = [...entries].sort((a, b) => depth(a.path) - depth(b.path))
    for (const { path, mode } of byDepth) {
      if (path !== '') this.put(path, modelNode(kindOf(mode)))
    }
  }

  #split(path: string): { parent: ModelNode | undefined; name: string } {
    const slash = path.lastIndexOf('/')
    return {
      parent: this.nodeAt(slash < 0 ? '' : path.slice(0, slash)),
      name: path.slice(slash + 1),
    }
  }
}

function depth(path: string): number {
  return path.split('/').length
}

function kindOf(mode: number): ModelNode['kind'] {
  switch (mode & 0o170000) {
    case 0o100000:
      return 'file'
    case 0o040000:
      return 'directory'
    case 0o120000:
      return 'symlink'
    default:
      return 'special'
  }
}
