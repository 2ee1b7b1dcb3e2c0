import { Worker } from 'node:worker_threads'
import { checked } from '../../src/base/errno.js'
import { native } from '../../src/base/native.js'
import type { TransportNews, TransportOptions, TransportQuestion } from './transport-messages.js'

/*
 * A process that mounts a MemoryFileSystem and serves it from a thread, as the daemon does. It never
 * touches the mount itself. Talks to the test by IPC, and ends with the test or when the mount is gone.
 */

const options = JSON.parse(process.argv[2] ?? '') as TransportOptions
const { kind, mountPoint } = options

const MS_NOSUID = 2
const MS_NODEV = 4

const fuseFd = kind === 'fuse-native' ? -1 : checked(native().openFuse(), 'open /dev/fuse')
const wakeFd = kind === 'fuse-native' ? -1 : checked(native().eventFd(), 'eventfd')
if (fuseFd >= 0) {
  // suid is what some tests look at.
  const mountOptions = 'rootmode=40000,user_id=0,group_id=0,default_permissions,allow_other'
  const source = 'bygone-test-memory'
  checked(
    native().mountFuse(
      fuseFd,
      mountPoint,
      source,
      'fuse.bygone',
      MS_NOSUID | MS_NODEV,
      mountOptions,
    ),
    'mount',
  )
}

const worker = new Worker(new URL('transport-worker.js', import.meta.url), {
  workerData: { options, fuseFd, wakeFd },
})
let exitCode = 1

worker.on('message', (news: TransportNews) => {
  if (news.type === 'over') exitCode = 0
  process.send?.(news)
})
worker.on('error', (error) => {
  console.error(error)
})
worker.on('exit', () => {
  if (fuseFd >= 0) native().close(fuseFd)
  process.disconnect()
  process.exitCode = exitCode
})

process.on('message', (question: TransportQuestion) => {
  worker.postMessage(question)
  if (wakeFd >= 0) native().signalEventFd(wakeFd)
})
process.on('disconnect', () => {
  if (exitCode !== 0) process.exit(1)
})
