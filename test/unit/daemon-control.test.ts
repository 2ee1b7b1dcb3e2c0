import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Failure } from '../../src/base/failure.js'
import { ControlClient, DaemonGone } from '../../src/daemon/control-client.js'
import { messageBytesMax, parseRequest } from '../../src/daemon/control-protocol.js'
import type { ControlRequest } from '../../src/daemon/control-protocol.js'
import { ControlServer, DaemonEnding } from '../../src/daemon/control-server.js'
import { LineDecoder } from '../../src/daemon/line-decoder.js'

const patienceMs = 1000

let directory: string
let path: string
let server: ControlServer
let peer: number
let handle: (request: ControlRequest) => Promise<unknown>

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'control-'))
  path = join(directory, 'x.sock')
  peer = 7
  handle = (request) => Promise.resolve(request.command)
  server = new ControlServer({
    path,
    ownUid: 7,
    peerUid: () => peer,
    handle: (request) => handle(request),
    log: () => undefined,
    patienceMs,
  })
  await server.listen()
})

afterEach(async () => {
  await server.close()
  rmSync(directory, { recursive: true })
})

async function client(): Promise<ControlClient> {
  const connected = await ControlClient.connect(path)
  if (connected === undefined) throw new Error('nobody listens')
  return connected
}

/** What the server says to raw bytes until its first line ends or it ends the connection. */
async function say(bytes: string | Buffer): Promise<string> {
  const socket = connect(path)
  let answer = ''
  socket.on('error', () => undefined)
  await new Promise<void>((resolve) => {
    socket.setEncoding('utf8').on('data', (text: string) => {
      answer += text
      if (text.endsWith('\n')) resolve()
    })
    socket.once('close', () => {
      resolve()
    })
    socket.write(bytes)
  })
  socket.destroy()
  return answer
}

test('who connects to a daemon that is just ending finds nobody', async () => {
  const ending = createServer()
  const socket = join(directory, 'ending.sock')
  await new Promise<void>((resolve) => ending.listen(socket, resolve))
  // In one turn: the connection is made, and its other end gone before it was looked at.
  const connecting = ControlClient.connect(socket)
  ending.close()
  expect(await connecting).toBeUndefined()
})

test('a request is answered by what the handler returns', async () => {
  const asked = await client()
  expect(await asked.request({ command: 'volumes' })).toBe('volumes')
  expect(await asked.request({ command: 'status', volume: 'a' })).toBe('status')
  asked.close()
})

test('a Failure crosses the socket with its kind and message', async () => {
  handle = () => Promise.reject(new Failure('exists', 'it is there; take another'))
  const asked = await client()
  const failure = await asked.request({ command: 'volumes' }).catch((error: unknown) => error)
  expect(failure).toMatchObject({
    kind: 'exists',
    message: 'it is there; take another',
    exitCode: 3,
  })
  asked.close()
})

test('the socket is for its owner alone', () => {
  expect(statSync(path).mode & 0o777).toBe(0o600)
})

test('nobody listens where there is no socket', async () => {
  expect(await ControlClient.connect(join(directory, 'none.sock'))).toBeUndefined()
})

test.each([
  ['another user', 8, ''],
  ['a peer that could not be told', -107, ''],
  ['root', 0, '{"ok":true,"result":"volumes"}\n'],
])('%s is answered accordingly', async (_, uid, answer) => {
  peer = uid
  expect(await say('{"command":"volumes"}\n')).toBe(answer)
})

test.each([
  ['no JSON', 'garbage\n', 'usage'],
  ['JSON that is no object', '[1]\n', 'usage'],
  ['bytes that are no text', Buffer.from([0xff, 0xfe, 0x00, 0x0a]), 'usage'],
  ['an unknown command', '{"command":"explode"}\n', 'usage'],
  ['a field of the wrong type', '{"command":"status","volume":7}\n', 'usage'],
  ['an endless line', 'x'.repeat(messageBytesMax + 1), 'usage'],
])('%s is refused, and the server goes on', async (_, bytes, kind) => {
  expect(await say(bytes)).toContain(`"kind":"${kind}"`)
  expect(await say('{"command":"volumes"}\n')).toContain('"ok":true')
})

test('several requests in one packet and one in several packets are answered in order', async () => {
  const socket = connect(path)
  let answer = ''
  socket.setEncoding('utf8').on('data', (text: string) => (answer += text))
  socket.write('{"command":"volumes"}\n{"command":"sta')
  await sleep(20)
  socket.write('tus","volume":"a"}\n')
  await expect.poll(() => answer).toMatch(/volumes.*\n.*status.*\n/)
  socket.destroy()
})

test('a client that goes before its reply harms nobody', async () => {
  let finish: (value: unknown) => void = () => undefined
  handle = (request) =>
    request.command === 'status'
      ? new Promise((resolve) => {
          finish = resolve
        })
      : Promise.resolve(1)
  const gone = await client()
  const reply = gone.request({ command: 'status', volume: 'a' }).catch((error: unknown) => error)
  await sleep(20)
  gone.close()
  expect(await reply).toBeInstanceOf(DaemonGone)
  finish('late')
  expect(await say('{"command":"volumes"}\n')).toContain('"ok":true')
})

/** A connection that is never read from, and when it is over. */
function silentClient(): { socket: Socket; closed: Promise<unknown> } {
  const socket = connect(path)
  socket.on('error', () => undefined)
  const closed = new Promise((resolve) => socket.once('close', resolve))
  return { socket, closed }
}

test('a client that says its request byte by byte for ever is let go', async () => {
  const { socket, closed } = silentClient()
  socket.resume()
  const drip = setInterval(() => socket.write('{'), 20)
  await closed
  clearInterval(drip)
  expect(await say('{"command":"volumes"}\n')).toContain('"ok":true')
})

test('clients that say nothing keep nobody out, however many', async () => {
  const silent = Array.from({ length: 100 }, silentClient)
  await Promise.all(
    silent.map(({ socket }) => new Promise((resolve) => socket.once('connect', resolve))),
  )
  expect(await say('{"command":"volumes"}\n')).toContain('"ok":true')
  for (const { socket } of silent) socket.destroy()
})

test('a client that waits for its reply is not let go for others', async () => {
  let finish: (value: unknown) => void = () => undefined
  handle = (request) =>
    request.command === 'status' ? new Promise((resolve) => (finish = resolve)) : Promise.resolve(1)
  const asked = await client()
  const reply = asked.request({ command: 'status', volume: 'a' })
  const silent = Array.from({ length: 100 }, silentClient)
  expect(await say('{"command":"volumes"}\n')).toContain('"ok":true')
  await sleep(patienceMs * 1.5)
  finish('late')
  expect(await reply).toBe('late')
  asked.close()
  for (const { socket } of silent) socket.destroy()
})

test('requests are not taken from a client that reads no replies', async () => {
  let asked = 0
  handle = () => {
    asked++
    return Promise.resolve('x'.repeat(1 << 20))
  }
  const { socket } = silentClient()
  socket.write('{"command":"volumes"}\n'.repeat(1000))
  await expect.poll(() => asked).toBeGreaterThan(0)
  await sleep(patienceMs * 1.5)
  expect(asked).toBeLessThan(20)
  socket.destroy()
  expect(await say('{"command":"volumes"}\n')).toContain('"ok":true')
})

test('a thousand clients that break off leave nothing behind', async () => {
  const descriptors = () => readdirSync('/proc/self/fd').length
  await say('{"command":"volumes"}\n')
  const before = descriptors()
  const says = [
    '',
    '{"comm',
    '{"command":"volumes"}',
    '{"command":"volumes"}\n',
    'x'.repeat(70_000),
  ]
  for (let round = 0; round < 20; round++) {
    const clients = Array.from({ length: 50 }, silentClient)
    for (const [at, { socket }] of clients.entries()) {
      socket.write(says[at % says.length] ?? '', () => socket.destroy())
    }
    await Promise.all(clients.map(({ closed }) => closed))
  }
  expect(await say('{"command":"volumes"}\n')).toContain('"ok":true')
  await expect.poll(descriptors).toBeLessThanOrEqual(before)
})

test('a daemon that ends before its reply is told from one that refuses', async () => {
  handle = () => Promise.reject(new DaemonEnding())
  const asked = await client()
  const failure = await asked.request({ command: 'volumes' }).catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(DaemonGone)
})

test('a request too long for the socket is refused before it is sent', async () => {
  const asked = await client()
  const memo = 'x'.repeat(messageBytesMax)
  const request = asked.request({ command: 'snapshot', volumes: [], memo, tags: [] })
  await expect(request).rejects.toMatchObject({ kind: 'usage' })
  asked.close()
})

const order = {
  origin: '/a',
  mountPoint: '/a',
  store: '/a/.bygone/store',
  transport: 'native',
  durability: 'ordered',
}

test('a mount order passes whole, and its flags are off unless said', () => {
  expect(parseRequest(JSON.stringify({ command: 'mount', order }))).toEqual({
    command: 'mount',
    order: {
      ...order,
      name: undefined,
      chunkBytes: undefined,
      allowOther: false,
      allowSuid: false,
      allowDev: false,
      lowWater: undefined,
    },
  })
})

test.each([
  ['origin', 'relative'],
  ['origin', '/nul\0byte'],
  ['mountPoint', undefined],
  ['store', 7],
  ['name', 7],
  ['chunkBytes', 5000],
  ['transport', 'carrier pigeon'],
  ['durability', null],
])('a mount order whose %s is %j is refused', (field, value) => {
  const request = { command: 'mount', order: { ...order, [field]: value } }
  expect(() => parseRequest(JSON.stringify(request))).toThrow(field)
})

test('a line decoder gives lines whole however the stream is cut, in characters of several bytes too', () => {
  const bytes = Buffer.from('äö\n\nü\nrest')
  for (let cut = 0; cut <= bytes.length; cut++) {
    const decoder = new LineDecoder(16)
    const lines = [decoder.push(bytes.subarray(0, cut)), decoder.push(bytes.subarray(cut))]
    expect(lines.flat()).toEqual(['äö', '', 'ü'])
  }
})

test('a line decoder gives up on a line over its bound, complete or not', () => {
  expect(new LineDecoder(4).push(Buffer.from('12345'))).toBeUndefined()
  expect(new LineDecoder(4).push(Buffer.from('12345\n'))).toBeUndefined()
  expect(new LineDecoder(4).push(Buffer.from('1234\n5678'))).toEqual(['1234'])
})
