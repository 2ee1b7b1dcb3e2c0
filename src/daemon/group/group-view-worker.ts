import { parentPort, workerData } from 'node:worker_threads'
import { byteStringOfText } from '../../base/bytes.js'
import { native } from '../../base/native.js'
import { runNativeTransport } from '../../fuse/native-transport.js'
import { GroupMembers } from '../../view/group-members.js'
import { GroupView } from '../../view/group-view.js'
import type { GroupViewData, GroupViewNews } from './group-view-thread.js'

/* The thread that serves a group's mount until it is gone. */

const { fuseFd, wakeFd, members } = workerData as GroupViewData

function post(news: GroupViewNews): void {
  parentPort?.postMessage(news)
}

try {
  const guards = new (native().Guards)()
  const all = members.map(({ id, mountPoint }, index) => ({
    id: byteStringOfText(id),
    mountPoint,
    index,
  }))
  runNativeTransport({
    fileSystem: new GroupView(native(), new GroupMembers(native(), all), guards),
    fuseFd,
    wakeFd,
    guards,
    onWake: () => 'continue',
    log: (line) => {
      post({ type: 'log', line })
    },
  })
} catch (error) {
  post({ type: 'failed', message: error instanceof Error ? error.message : String(error) })
}
