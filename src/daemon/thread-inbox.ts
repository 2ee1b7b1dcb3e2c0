import { receiveMessageOnPort } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'
import type { ToVolumeThread } from './thread-protocol.js'

/**
 * The messages for a volume's thread, read without an event loop: while the native transport blocks
 * in the kernel there is none, and inside a request or a cut none may run.
 */
export class ThreadInbox {
  readonly #port: MessagePort
  readonly #signal: Int32Array

  constructor(port: MessagePort, signal: SharedArrayBuffer) {
    this.#port = port
    this.#signal = new Int32Array(signal)
  }

  poll(): ToVolumeThread | undefined {
    const received = receiveMessageOnPort(this.#port) as { message: ToVolumeThread } | undefined
    return received?.message
  }

  /** Blocks the thread until there is a message. */
  take(): ToVolumeThread {
    for (;;) {
      // Read before the port is: a message that comes in between has changed it, and wait returns.
      const seen = Atomics.load(this.#signal, 0)
      const message = this.poll()
      if (message !== undefined) return message
      Atomics.wait(this.#signal, 0, seen)
    }
  }
}
