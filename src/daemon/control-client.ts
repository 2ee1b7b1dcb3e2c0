import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { Failure } from '../base/failure.js'
import { messageBytesMax, parseReply } from './control-protocol.js'
import type { ControlRequest, ControlResults } from './control-protocol.js'
import { LineDecoder } from './line-decoder.js'

/** A listing of 100,000 snapshots fits. */
const replyBytesMax = 256 * 1024 * 1024

/** The daemon went away before it replied: whether it has carried out the request is not known. */
export class DaemonGone extends Failure {
  constructor() {
    super(
      'failed',
      'the daemon ended before it replied: see by `bygone list` whether it was done; its log is daemon.log in the store',
    )
  }
}

const nobodyThere = new Set<string | undefined>(['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'ENOTDIR'])

/** One connection to a daemon; requests go one by one. */
export class ControlClient {
  readonly #socket: Socket

  private constructor(socket: Socket) {
    this.#socket = socket
  }

  /** undefined: nobody listens there. */
  static async connect(path: string): Promise<ControlClient | undefined> {
    const socket = connect(path)
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once('connect', resolve)
        socket.once('error', reject)
      })
    } catch (error) {
      socket.destroy()
      const { code } = error as NodeJS.ErrnoException
      // Reset: it was just ending.
      if (nobodyThere.has(code)) return undefined
      if (code === 'EACCES' || code === 'EPERM') {
        const advice = 'run the command as the user who mounted the volume, or as root'
        throw new Failure('failed', `no permission to talk to the daemon: ${advice}`)
      }
      throw error
    }
    return new ControlClient(socket)
  }

  /** No deadline: what is asked for may rightly take long, and a dead daemon closes the connection. */
  async request<C extends ControlRequest['command']>(
    request: Extract<ControlRequest, { command: C }>,
  ): Promise<ControlResults[C]> {
    const line = JSON.stringify(request)
    if (Buffer.byteLength(line) > messageBytesMax) {
      throw new Failure('usage', `more than ${messageBytesMax} bytes of arguments: shorten them`)
    }
    const reply = this.#readLine()
    this.#socket.write(`${line}\n`)
    const parsed = parseReply(await reply)
    if (!parsed.ok) throw new Failure(parsed.kind, parsed.message)
    return parsed.result as ControlResults[C]
  }

  close(): void {
    this.#socket.destroy()
  }

  #readLine(): Promise<string> {
    const decoder = new LineDecoder(replyBytesMax)
    const socket = this.#socket
    return new Promise((resolve, reject) => {
      const onData = (bytes: Buffer) => {
        const lines = decoder.push(bytes)
        if (lines === undefined)
          settle(() => {
            reject(new DaemonGone())
          })
        else if (lines[0] !== undefined) {
          const line = lines[0]
          settle(() => {
            resolve(line)
          })
        }
      }
      const onEnd = () => {
        settle(() => {
          reject(new DaemonGone())
        })
      }
      const settle = (finish: () => void) => {
        socket.off('data', onData)
        socket.off('error', onEnd)
        socket.off('close', onEnd)
        finish()
      }
      socket.on('data', onData)
      socket.on('error', onEnd)
      socket.on('close', onEnd)
    })
  }
}
