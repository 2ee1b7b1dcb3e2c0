import { AssertionError } from 'node:assert'
import { Failure } from '../base/failure.js'
import type { Label } from '../base/ids.js'
import { checkTree } from './invariants.js'
import { VersionTree } from './version-tree.js'
import { originLabel, type Tag } from './version.js'

/** A version tree as plain JSON. The origin is left out: every tree has it. */
export interface VersionTreeRecord {
  labelNext: Label
  /** A parent stands before its children, so that no record can hold a cycle. */
  versions: { label: Label; parent: Label; tag: Tag | null }[]
  unswept: Label[]
}

/** A sweep under way is not in it: after a restart the pass starts over. */
export function versionTreeRecord(tree: VersionTree): VersionTreeRecord {
  const versions: VersionTreeRecord['versions'] = []
  const pending = [...tree.version(originLabel).children]
  // Grows while it is walked: level by level, so that children keep their order.
  for (const { label, parent, children, tag } of pending) {
    versions.push({ label, parent: parent?.label ?? originLabel, tag: tag ?? null })
    pending.push(...children)
  }
  return { labelNext: tree.labelNext, versions, unswept: [...tree.unswept] }
}

/** Throws Failure('damaged') for anything that no version tree can have written. */
export function restoreVersionTree(json: unknown): VersionTree {
  if (!isRecord(json)) throw new Failure('damaged', 'the version tree is not in its format')
  try {
    const tree = new VersionTree(json)
    checkTree(tree)
    return tree
  } catch (error) {
    if (!(error instanceof AssertionError)) throw error
    throw new Failure(
      'damaged',
      `the version tree is damaged, it should hold that ${error.message}`,
      {
        cause: error,
      },
    )
  }
}

/** Types and ranges; what the numbers must mean to each other is `checkTree`'s. */
function isRecord(json: unknown): json is VersionTreeRecord {
  if (!isObject(json)) return false
  const { labelNext, versions, unswept } = json
  return (
    isPositive(labelNext) &&
    Array.isArray(versions) &&
    versions.every(isVersion) &&
    Array.isArray(unswept) &&
    unswept.every(isPositive)
  )
}

function isVersion(json: unknown): boolean {
  if (!isObject(json)) return false
  const { label, parent, tag } = json
  return (
    isPositive(label) && (parent === 0 || isPositive(parent)) && (tag === null || isPositive(tag))
  )
}

function isObject(json: unknown): json is Record<string, unknown> {
  return typeof json === 'object' && json !== null && !Array.isArray(json)
}

function isPositive(json: unknown): boolean {
  return Number.isSafeInteger(json) && Number(json) > 0
}
