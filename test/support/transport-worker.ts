import { writeSync } from 'node:fs'
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import type { ByteString } from '../../src/base/bytes.js'
import { native } from '../../src/base/native.js'
import type { ReadPlan } from '../../src/base/read-plan.js'
import type { Caller, Entry, OpenReply } from '../../src/fuse/file-system.js'
import type { FuseNativeMount } from '../../src/fuse/fuse-native-transport.js'
import { mountFuseNative } from '../../src/fuse/fuse-native-transport.js'
import { runNativeTransport } from '../../src/fuse/native-transport.js'
import type { NativeTransportControl } from '../../src/fuse/native-transport.js'
import type { Agreement } from '../../src/fuse/negotiation.js'
import { MemoryFileSystem } from './memory-file-system.js'
import type { MemoryInode } from './memory-inode.js'
import type {
  TransportNews,
  TransportOptions,
  TransportQuestion,
  TransportState,
} from './transport-messages.js'

/** How long a read of a file named `slow` takes. */
const slowMs = 700

class TestFileSystem extends MemoryFileSystem {
  wasDestroyed = false
  readonly #clock = new Int32Array(new SharedArrayBuffer(4))

  override lookup(parent: number, name: ByteString, caller: Caller, entry: Entry): void {
    if (name === 'broken') throw new TypeError('a bug in a handler')
    super.lookup(parent, name, caller, entry)
  }

  override open(node: number, flags: number, caller: Caller, reply: OpenReply): void {
    super.open(node, flags, caller, reply)
    if (!this.#isSlow(reply.handle)) return
    // The addon may not read it by itself.
    reply.dataFd = -1
    reply.guard = -1
  }

  override planRead(handle: number, offset: number, length: number, plan: ReadPlan): number {
    if (this.#isSlow(handle)) {
      post({ type: 'slow read' })
      Atomics.wait(this.#clock, 0, 0, slowMs)
    }
    return super.planRead(handle, offset, length, plan)
  }

  #isSlow(handle: number): boolean {
    return this.root.entries.get('slow' as ByteString) === this.inodeOf(handle)
  }

  override destroy(): void {
    this.wasDestroyed = true
    super.destroy()
  }
}

if (parentPort === null) throw new Error('transport-worker runs as a worker thread')
const port = parentPort
const { options, fuseFd, wakeFd } = workerData as {
  options: TransportOptions
  fuseFd: number
  wakeFd: number
}
const { kind, mountPoint, ttlMs, keepCache } = options

const guards = new (native().Guards)()
guards.setEpoch(1)
const fileSystem = new TestFileSystem({
  ...(kind === 'native' ? { guards } : {}),
  ...(ttlMs === undefined ? {} : { entryTtlMs: ttlMs, attributesTtlMs: ttlMs }),
  keepCache: keepCache ?? false,
})
const log: string[] = []
let control: NativeTransportControl | undefined
let agreement: Agreement | undefined
let mount: FuseNativeMount | undefined
let isStopped = false

function state(): TransportState {
  const { nodeCount: nodes, handleCount: handles } = fileSystem
  return { nodes, handles, log, agreement, stats: control?.stats() }
}

function post(news: TransportNews): void {
  port.postMessage(news)
}

function inRoot(name: string): MemoryInode {
  const inode = fileSystem.root.entries.get(name as ByteString)
  if (inode === undefined) throw new Error(`no '${name}' in the root`)
  return inode
}

function answer(question: TransportQuestion): void {
  let error: string | undefined
  try {
    perform(question)
  } catch (thrown) {
    error = String(thrown)
  }
  post({ type: 'answer', state: state(), error })
}

/** At once: with the native transport this thread has no event loop. */
function perform(question: TransportQuestion): void {
  switch (question.ask) {
    case 'state':
      break
    case 'invalidateEntry':
      control?.invalidateEntry(1, question.name as ByteString)
      break
    case 'invalidateNode':
      control?.invalidateNode(inRoot(question.name).node, 0, 0)
      break
    case 'removeBehind':
      fileSystem.unlink(1, question.name as ByteString)
      break
    case 'writeBehind':
      writeSync(inRoot(question.name).fd, question.text, 0)
      break
    case 'stop':
      isStopped = true
      break
    case 'unmount':
      throw new Error('only fuse-native unmounts itself')
  }
}

async function unmountAndAnswer(): Promise<void> {
  try {
    await mount?.unmount()
    post({ type: 'answer', state: state(), error: undefined })
  } catch (thrown) {
    post({ type: 'answer', state: state(), error: String(thrown) })
  }
}

function onWake(): 'continue' | 'stop' {
  for (;;) {
    const received = receiveMessageOnPort(port) as { message: TransportQuestion } | undefined
    if (received === undefined) return isStopped ? 'stop' : 'continue'
    answer(received.message)
  }
}

const logLine = (line: string) => {
  log.push(line)
}

if (kind === 'fuse-native') {
  port.on('message', (question: TransportQuestion) => {
    if (question.ask === 'unmount') void unmountAndAnswer()
    else answer(question)
  })
  try {
    mount = await mountFuseNative({
      fileSystem,
      mountPoint,
      source: 'bygone-test-memory',
      allowOther: true,
      log: logLine,
    })
    post({ type: 'serving' })
    await mount.unmounted
  } catch (error) {
    post({ type: 'not mounted', message: String(error) })
  }
  port.removeAllListeners('message')
} else {
  runNativeTransport({
    fileSystem,
    fuseFd,
    wakeFd,
    guards,
    onWake,
    log: logLine,
    onStart: (given) => {
      control = given
    },
    onAgreement: (agreed) => {
      agreement = agreed
      post({ type: 'serving' })
    },
  })
}
const handlesLeft = fileSystem.handleCount
post({
  type: 'over',
  state: { ...state(), handles: handlesLeft },
  wasDestroyed: fileSystem.wasDestroyed,
})
port.unref()
