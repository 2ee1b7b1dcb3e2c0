import { lstatSync } from 'node:fs'
import { dirname } from 'node:path'
import { Failure } from '../base/failure.js'
import { ControlClient } from './control-client.js'
import { mountOwner } from './mount-table.js'
import type { MountEntry } from './mount-table.js'
import {
  currentOwner,
  isPrivateDirectory,
  mountSocket,
  runtimeDirectories,
  storeSocket,
} from './runtime-directory.js'

/** The daemon that serves a mount; undefined if it is gone. */
export async function connectToMount(entry: MountEntry): Promise<ControlClient | undefined> {
  const uid = mountOwner(entry)
  return connectFirst(uid, (directory) => mountSocket(directory, entry.device))
}

/** Whether a daemon that serves the mount has left its socket there: it has died, and there may be a successor soon. */
export function hasSocket(entry: MountEntry): boolean {
  const uid = mountOwner(entry)
  const own = currentOwner()
  const owner = { uid, xdgRuntimeDirectory: own.uid === uid ? own.xdgRuntimeDirectory : undefined }
  return runtimeDirectories(owner).some(
    (directory) =>
      lstatSync(mountSocket(directory, entry.device), { throwIfNoEntry: false }) !== undefined,
  )
}

/** The daemon of this user that serves a store, named by storeKey. */
export async function connectToStore(key: string): Promise<ControlClient | undefined> {
  return connectFirst(currentOwner().uid, (directory) => storeSocket(directory, key))
}

async function connectFirst(
  uid: number,
  socketIn: (directory: string) => string,
): Promise<ControlClient | undefined> {
  const own = currentOwner()
  if (own.uid !== uid && own.uid !== 0) throw notOurs(uid)
  const owner = { uid, xdgRuntimeDirectory: own.uid === uid ? own.xdgRuntimeDirectory : undefined }
  for (const directory of runtimeDirectories(owner)) {
    const socket = socketIn(directory)
    // Only what nobody but that user can have put there may be believed.
    if (!isPrivateDirectory(dirname(socket), uid)) continue
    const client = await ControlClient.connect(socket)
    if (client !== undefined) return client
  }
  return undefined
}

function notOurs(uid: number): Failure {
  const advice = 'run the command as that user, or as root'
  return new Failure('failed', `the volume was mounted by uid ${uid}: ${advice}`)
}
