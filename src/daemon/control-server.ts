import { chmodSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import { parseRequest, messageBytesMax, replyOf } from './control-protocol.js'
import type { ControlReply, ControlRequest } from './control-protocol.js'
import { LineDecoder } from './line-decoder.js'

/**
 * Clients wait for their replies; more at once than this would be an accident. Then the one that has been
 * silent for longest goes.
 */
const connectionsMax = 64

/** A client says what it wants at once, and reads what it is told. */
const patienceMs = 30_000

/** Thrown by a handler that takes no more requests: the client is left to find the daemon's successor. */
export class DaemonEnding extends Error {}

export interface ControlServerOptions {
  path: string
  /** SO_PEERCRED of a connection, or a negative errno. */
  peerUid: (socketFd: number) => number
  ownUid: number
  /** May be called concurrently, once a connection at a time; what it throws becomes the reply. */
  handle: (request: ControlRequest) => Promise<unknown>
  log: (line: string) => void
  /** How long a client may take for a request, and to read a reply; default 30 s. */
  patienceMs?: number
}

/**
 * The daemon's end of the control socket.
 *
 * A client may send anything and go at any time: it harms itself only. What it has asked for is
 * carried out to the end even if nobody waits for the reply any more.
 */
export class ControlServer {
  readonly #options: ControlServerOptions
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  /** Those that are asked nothing of, the one that has been silent for longest first. */
  readonly #silent = new Map<Socket, NodeJS.Timeout>()
  readonly #answering = new Set<Promise<void>>()
  #isListening = false

  constructor(options: ControlServerOptions) {
    this.#options = options
    this.#server = createServer((socket) => {
      this.#accept(socket)
    })
  }

  /** The caller holds the store's lock: a socket that exists under this name is a dead daemon's. */
  async listen(): Promise<void> {
    const { path, log } = this.#options
    rmSync(path, { force: true })
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(path, resolve)
    })
    this.#server.on('error', (error) => {
      log(`control socket: ${error.message}`)
    })
    this.#isListening = true
    // The directory is private already; this is for those who look at the socket alone.
    chmodSync(path, 0o600)
  }

  /** Takes no more connections; the name is free for a successor. */
  stopListening(): void {
    if (!this.#isListening) return
    this.#isListening = false
    this.#server.close()
    rmSync(this.#options.path, { force: true })
  }

  /** Ends every connection as soon as what it has asked for is answered. */
  async close(): Promise<void> {
    this.stopListening()
    while (this.#answering.size > 0) await Promise.allSettled(this.#answering)
    for (const socket of this.#sockets) socket.destroySoon()
    for (const timer of this.#silent.values()) clearTimeout(timer)
  }

  #accept(socket: Socket): void {
    const { ownUid, peerUid, log } = this.#options
    socket.on('error', () => {
      // The client has gone; `close` follows.
    })
    const peer = peerUid(descriptorOf(socket))
    if (peer !== ownUid && peer !== 0) {
      log(`refused a control connection of uid ${peer}`)
      socket.destroy()
      return
    }
    if (this.#sockets.size >= connectionsMax) {
      const [silent] = this.#silent.keys()
      // All are waiting for their replies: this one can't be served.
      if (silent === undefined) log('refused a control connection: there are too many')
      const given = silent ?? socket
      given.destroy()
      this.#forget(given)
      if (given === socket) return
    }
    this.#sockets.add(socket)
    socket.once('close', () => {
      this.#forget(socket)
    })
    this.#awaitRequest(socket)
    void this.#serve(socket)
  }

  /** One request after the other: while one is carried out the socket is not read. */
  async #serve(socket: Socket): Promise<void> {
    const decoder = new LineDecoder(messageBytesMax)
    try {
      for await (const bytes of socket as AsyncIterable<Buffer>) {
        const lines = decoder.push(bytes)
        if (lines === undefined) {
          this.#noteAsked(socket)
          const message = `a control message is longer than ${messageBytesMax} bytes`
          // Sent before the loop is left, for leaving it destroys the socket.
          await new Promise<void>((resolve) => {
            socket.end(encode({ ok: false, kind: 'usage', message }), resolve)
          })
          return
        }
        for (const line of lines) {
          // Let go meanwhile: nobody waits for what else it may have sent.
          if (!this.#sockets.has(socket)) return
          await this.#answer(line, socket)
          this.#awaitRequest(socket)
        }
      }
    } catch {
      // The connection broke: there is nobody to tell.
      socket.destroy()
    }
  }

  /** From now on it has that long to send a request, however slowly it comes. */
  #awaitRequest(socket: Socket): void {
    this.#noteAsked(socket)
    if (!this.#sockets.has(socket)) return
    const timer = setTimeout(() => {
      socket.destroy()
    }, this.#options.patienceMs ?? patienceMs)
    this.#silent.set(socket, timer)
  }

  #noteAsked(socket: Socket): void {
    clearTimeout(this.#silent.get(socket))
    this.#silent.delete(socket)
  }

  #forget(socket: Socket): void {
    this.#noteAsked(socket)
    this.#sockets.delete(socket)
  }

  async #answer(line: string, socket: Socket): Promise<void> {
    this.#noteAsked(socket)
    const answering = this.#reply(line).then((reply) => this.#send(reply, socket))
    this.#answering.add(answering)
    await answering
    this.#answering.delete(answering)
  }

  /** When it is on its way: replies that nobody reads must not pile up. */
  #send(reply: ControlReply | undefined, socket: Socket): Promise<void> | undefined {
    if (reply === undefined) socket.destroy()
    if (reply === undefined || socket.destroyed || socket.write(encode(reply))) return undefined
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        socket.destroy()
      }, this.#options.patienceMs ?? patienceMs)
      const settle = () => {
        clearTimeout(timer)
        socket.off('drain', settle)
        socket.off('close', settle)
        resolve()
      }
      socket.once('drain', settle)
      socket.once('close', settle)
    })
  }

  async #reply(line: string): Promise<ControlReply | undefined> {
    try {
      return { ok: true, result: await this.#options.handle(parseRequest(line)) }
    } catch (error) {
      if (error instanceof DaemonEnding) return undefined
      const reply = replyOf(error)
      if (!reply.ok) this.#options.log(`${reply.kind}: ${reply.message}`)
      return reply
    }
  }
}

function encode(reply: ControlReply): string {
  return `${JSON.stringify(reply)}\n`
}

/** Node has no public name for a socket's descriptor. */
function descriptorOf(socket: Socket): number {
  return (socket as unknown as { _handle: { fd: number } })._handle.fd
}
