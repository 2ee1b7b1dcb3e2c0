import { existsSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { parentPort, workerData } from 'node:worker_threads'
import { textOf } from '../base/bytes.js'
import type { ByteString } from '../base/bytes.js'
import { checked, FsError } from '../base/errno.js'
import { Failure } from '../base/failure.js'
import { faultPoint } from '../base/fault-point.js'
import { KeptDescriptors } from '../base/kept-descriptors.js'
import { native } from '../base/native.js'
import { O } from '../base/open-flags.js'
import { fuseNativeLimits, mountFuseNative } from '../fuse/fuse-native-transport.js'
import { runNativeTransport } from '../fuse/native-transport.js'
import type { NativeTransportControl } from '../fuse/native-transport.js'
import type { Agreement } from '../fuse/negotiation.js'
import { codeOf } from '../store/durable-file.js'
import { Pairing } from '../store/pairing.js'
import { realDisk } from '../store/real-disk.js'
import { VolumeStore } from '../store/volume-store.js'
import { ChangeCount } from '../view/change-count.js'
import { FlushMarker } from '../view/flush-marker.js'
import { SessionLog } from '../view/session-log.js'
import { VolumeView } from '../view/volume-view.js'
import { bygoneDirectory } from '../volume/hidden-names.js'
import { TreeVolume } from '../volume/tree-volume.js'
import { failureOf } from './failure-of.js'
import { servedNoter } from './succession.js'
import { HeapCare } from './heap-care.js'
import { Sweeping } from './sweeping.js'
import { RefusalLog } from './refusal-log.js'
import { ThreadInbox } from './thread-inbox.js'
import type { FromVolumeThread, ToVolumeThread, VolumeThreadData } from './thread-protocol.js'
import { VolumeService } from './volume-service.js'

/*
 * The thread of one mounted volume: opens it, serves its mount until that is gone, closes it. All
 * that belongs to the volume is made and used here alone; the main thread sends messages.
 */

const port = parentPort
if (port === null) throw new Error('volume-worker runs as a worker thread')
const data = workerData as VolumeThreadData
const inbox = new ThreadInbox(port, data.signal)

const rootNode = 1

function post(message: FromVolumeThread): void {
  port?.postMessage(message)
}

function log(line: string): void {
  post({ type: 'log', line })
}

/** What was agreed on with the kernel, once it was. */
let negotiated: Record<string, unknown> = {}
/** Makes the kernel forget where a name in the root leads. */
let forgetName: (name: ByteString) => void = () => undefined
let forgetAttributes: (node: number) => void = () => undefined
let transportCounts: () => Record<string, number> = () => ({})
let control: NativeTransportControl | undefined
/** Called when the kernel can be told something. */
let onServing: () => void = () => undefined

async function run(): Promise<void> {
  const { originFd, storeDirectory, durability, snapshots, chunkBytes, isMountedOver } = data
  checked(native().isolateThread(), 'isolate the thread')
  // syncfs(2) refuses O_PATH descriptors.
  const syncFd = checked(native().reopen(originFd, O.RDONLY | O.DIRECTORY), 'open the origin')
  const store = VolumeStore.open({
    directory: storeDirectory,
    durability,
    hasPast: snapshots.length > 0,
  })
  try {
    const own = `/proc/self/fd/${originFd}/${bygoneDirectory}`
    const pairing = Pairing.open(realDisk, storeDirectory, own)
    const volume = TreeVolume.open({ originFd, store, chunkBytes, snapshots })
    try {
      await open(volume, store, pairing, isMountedOver)
    } finally {
      volume.close()
    }
    store.flush()
  } finally {
    store.close()
  }
  faultPoint('unmount.closed')
  checked(native().syncfs(syncFd), 'sync the origin')
  faultPoint('unmount.synced')
  native().close(syncFd)
}

async function open(
  volume: TreeVolume,
  store: VolumeStore,
  pairing: Pairing,
  isMountedOver: boolean,
): Promise<void> {
  const sweeping = new Sweeping(volume, ({ id }) => {
    if (id !== 0) forgetAttributes(id)
  })
  const refusals = new RefusalLog(log)
  const heapCare = new HeapCare(garbageCollector())
  const flushMarker = new FlushMarker(
    (pid) => existsSync(`/proc/self/task/${pid}`),
    () => native().signalEventFd(data.wakeFd),
  )
  const changes = new ChangeCount()
  const service: VolumeService = new VolumeService({
    inbox,
    post,
    doubt: (objects, label) => {
      const change = store.change()
      volume.drift.doubt(objects, label, change)
      store.commit(change)
    },
    cut: (record) => {
      volume.cut(record)
      changes.cut(record.label)
      faultPoint('snapshot.cut')
    },
    changed: (records) => {
      volume.noteChanged(records)
    },
    status: () => {
      const newest = volume.snapshots.at(-1)
      return {
        negotiated,
        gauges: { ...transportCounts(), ...view.gauges() },
        changesSinceSnapshot: newest === undefined ? null : changes.since(newest.label),
      }
    },
    idle: () => {
      indexWhatCan(store)
      refusals.look(store.stats().changesRefused)
      heapCare.look(view.nodeCount)
      store.sessions.keepAlive()
    },
    remove: (labels, names) => {
      view.removeSnapshots(labels)
      changes.remove(labels)
      for (const name of names) forgetName(name as ByteString)
      sweeping.restart()
    },
    sweep: (msMax, how) => sweeping.goOn(msMax, how),
    isCatchingUp: () => flushMarker.isCatchingUp || view.session.isResending,
  })
  const sessionLog = newSessionLog()
  const endResending = () => {
    for (const { parent, name } of view.session.endResending()) control?.expireEntry(parent, name)
    native().signalEventFd(data.wakeFd)
  }
  const { takeSnapshot, deleteSnapshot } = service
  const view: VolumeView = new VolumeView(volume, {
    isMountedOver,
    takeSnapshot,
    deleteSnapshot,
    flushMarker,
    changes,
    ...(sessionLog === undefined ? {} : { log: sessionLog, onResent: endResending }),
  })
  let takeover: Agreement | undefined
  let descriptors: number[] = []
  let gone: Iterable<ByteString> = []
  if (data.session?.isTakeover === true) {
    const taken = view.session.takeOver()
    takeover = JSON.parse(taken.agreement) as Agreement
    descriptors = taken.descriptors
    gone = taken.gone
  } else view.session.start()
  const collisions = volume.collisions.map(textOf)
  const tookMs = Math.round(store.recovery.tookMs)
  post({ type: 'opened', collisions, recovery: { ...store.recovery, tookMs }, descriptors })
  const order = orderToServe(service)
  if (order.type === 'stop') return
  // After the mount is there, if it can be: from then on it hides the origin.
  if (takeover === undefined) {
    pairing.renew()
    volume.beginSession()
  } else volume.resumeSession()
  faultPoint('mount.session')
  if (order.type === 'serve') {
    const { fuseFd } = order
    onServing = () => {
      for (const name of gone) forgetName(name)
    }
    serveNative(view, volume, fuseFd, takeover, () => {
      // Nothing waits in the kernel, so nothing is left to come again.
      if (view.session.isResending && native().isReadable(fuseFd) === 0) endResending()
      return service.onWake()
    })
  } else if (order.type === 'serve-fuse-native') await serveFuseNative(view, service, order)
  else throw new Error(`'${order.type}' came before the order to serve`)
  faultPoint('unmount.kernel')
  endSession(volume, pairing)
  faultPoint('unmount.session')
}

let isIndexStuck = false

/** Nothing is lost where it can't (the disk is full, or read-only): all stays in the journal, and pending. */
function indexWhatCan(store: VolumeStore): void {
  try {
    store.whenIdle()
    isIndexStuck = false
  } catch (error) {
    if (!(error instanceof FsError)) throw error
    if (!isIndexStuck) log(`what was preserved could not be indexed: ${error.message}`)
    isIndexStuck = true
  }
}

/** If this can't be written (the disk is full), the next session knows less of what happened before it. */
function endSession(volume: TreeVolume, pairing: Pairing): void {
  try {
    volume.endSession()
    pairing.renew()
  } catch (error) {
    log(failureOf(error, 'the end of the session was not noted').message)
  }
}

/** V8's own, which JavaScript sees only if it was asked for. */
function garbageCollector(): () => void {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc') as () => void
}

/** The next message but those that may come at any time. */
function orderToServe(service: VolumeService): ToVolumeThread {
  for (;;) {
    const message = inbox.take()
    if (message.type !== 'idle') return message
    service.handle(message)
  }
}

/** Failures of the system are no bugs, whoever has not expected them. */
function isBug(error: unknown): boolean {
  if (error instanceof Failure || error instanceof FsError) return false
  return !(error instanceof Error) || codeOf(error) === undefined
}

function newSessionLog(): SessionLog | undefined {
  if (data.session === undefined) return undefined
  const { sessionFd, keepFd, descriptorsMax, pageFd } = data.session
  const kept = new KeptDescriptors(native(), keepFd, descriptorsMax)
  return new SessionLog(native(), sessionFd, kept, { onServed: servedNoter(native(), pageFd) })
}

function serveNative(
  fileSystem: VolumeView,
  { guards }: TreeVolume,
  fuseFd: number,
  takeover: Agreement | undefined,
  onWake: () => 'continue' | 'stop',
): void {
  runNativeTransport({
    fileSystem,
    fuseFd,
    wakeFd: data.wakeFd,
    guards,
    onWake,
    log,
    takeover,
    onStart: (started) => {
      control = started
      transportCounts = () => started.stats()
      forgetAttributes = (node) => {
        started.invalidateNode(node, -1, 0)
      }
      forgetName = (name) => {
        started.invalidateEntry(rootNode, name)
      }
      onServing()
    },
    onAgreement: (agreement) => {
      negotiated = { ...agreement }
      post({ type: 'agreed', canResend: agreement.features.includes('resend') })
    },
  })
}

/** Needs the event loop: messages come as events, and only a hold or a request's wait blocks the thread. */
async function serveFuseNative(
  fileSystem: VolumeView,
  service: VolumeService,
  order: { mountPoint: string; source: string; allowOther: boolean },
): Promise<void> {
  const { mountPoint, source, allowOther } = order
  const options = { fileSystem, mountPoint, source, allowOther, log }
  const mounted = await mountFuseNative(options)
  negotiated = { without: fuseNativeLimits }
  const stopped = new Promise<void>((resolve) => {
    port?.on('message', (message: ToVolumeThread) => {
      if (service.handle(message) === 'stop') resolve()
      mounted.retryParked()
    })
  })
  post({ type: 'serving' })
  await Promise.race([mounted.unmounted, stopped])
  port?.removeAllListeners('message')
}

try {
  await run()
  post({ type: 'closed' })
} catch (error) {
  const { kind, message } = failureOf(error, 'the volume could not be served')
  if (!(error instanceof Failure)) log(error instanceof Error ? (error.stack ?? message) : message)
  post({ type: 'failed', kind, message, isBug: isBug(error) })
}
// What the transport has left to the event loop (a process of its own, say) must not keep the thread.
process.exit()
