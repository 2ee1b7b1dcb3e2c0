import { spawn, type ChildProcess } from 'node:child_process'
import { expect, onTestFinished, test, vi } from 'vitest'
import { python } from '../support/actor.js'
import { run } from '../support/command.js'
import { Random, seedOfThisRun } from '../support/random.js'
import { describeMount } from '../support/requirements.js'
import { comesToRest, held } from '../support/rest.js'
import { hiddenInRoot, TestVolume } from '../support/test-volume.js'

// BYGONE_LOAD=10 for ten times as many.
const scale = Number(process.env['BYGONE_LOAD'] ?? 1)

// Files come about under another name and are renamed: under its own each is always whole, 40 times
// the same line, whenever its writer is killed and whenever a snapshot is taken.
const client = `
import itertools, mmap, os, random, sys
# From inside: what is below the mount point is never met when the mount has gone.
os.chdir(sys.argv[1])
live, number = '.', int(sys.argv[2])
choose = random.Random(number)
for turn in itertools.count():
    name = '%s/file%d' % (live, choose.randrange(8))
    draft = '%s/draft%d' % (live, number)
    with open(draft, 'w') as file:
        for _ in range(40):
            file.write('%-999d\\n' % (number * 1000000 + turn))
            file.flush()
        if turn % 8 == 0:
            os.fsync(file.fileno())
    os.rename(draft, name)
    try:
        with open(name) as file:
            lines = file.readlines()
        assert len(set(lines)) == 1 and len(lines) == 40, 'torn: %s' % name
        os.listdir(live + '/@latest')
    except FileNotFoundError:
        pass
    if turn % 4 == 0:
        fd = os.open(draft, os.O_RDWR | os.O_CREAT)
        os.ftruncate(fd, 8192)
        with mmap.mmap(fd, 8192) as memory:
            os.unlink(draft)
            memory[4000:4200] = b'm' * 200
        os.close(fd)
`

const reading = `
result, bad = 0, []
for snapshot in given['snapshots']:
    for number in range(8):
        try:
            with open('%s/file%d' % (snapshot, number)) as file:
                lines = file.readlines()
        except FileNotFoundError:
            continue
        result += 1
        if len(lines) != 40 or len(set(lines)) != 1:
            bad.append('%s/file%d' % (snapshot, number))
result = [result > 0, bad]
`

class Client {
  readonly #child: ChildProcess
  #stderr = ''
  #isClosed = false

  constructor(volume: TestVolume, number: number) {
    const args = ['-c', client, volume.live, String(number)]
    this.#child = spawn(python, args, {
      env: volume.environment,
      cwd: '/',
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text))
    this.#child.on('close', () => (this.#isClosed = true))
    onTestFinished(() => {
      this.signal('SIGCONT')
      this.signal('SIGKILL')
    })
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  /** What it has complained of; that a page which it had mapped is gone counts as that. */
  async ended(): Promise<string> {
    await vi.waitFor(
      () => {
        if (!this.#isClosed) throw new Error('the client does not end')
      },
      { timeout: 15_000, interval: 10 },
    )
    return this.#child.signalCode === 'SIGBUS' ? `Errno SIGBUS ${this.#stderr}` : this.#stderr
  }
}

async function past(volume: TestVolume, name: string): Promise<unknown> {
  const tree = await volume.actor.fingerprint(volume.snapshotPath(name), [])
  // st_dev is another one in each mount.
  return tree.map((entry) => ({ ...entry, dev: '' }))
}

/** Fingerprints of the snapshots, by name. */
async function pasts(volume: TestVolume): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {}
  for (const name of await volume.snapshots()) found[name] = await past(volume, name)
  return found
}

describeMount('programs on the mount', () => {
  test('may be killed and stopped at any moment, while snapshots are taken', async () => {
    const seed = seedOfThisRun()
    console.log(`BYGONE_SEED=${seed}`)
    const random = new Random(seed)
    const volume = await TestVolume.mounted({ chunkSize: '4K' })
    await comesToRest(volume, Infinity)
    const { descriptors = 0 } = await held(volume)
    let next = 0
    const clients = Array.from({ length: 12 }, () => new Client(volume, next++))
    const stopped: Client[] = []
    const complaints: string[] = []
    const taken: Record<string, unknown> = {}
    for (let round = 0; round < 40 * scale; round++) {
      const at = random.below(clients.length)
      const chosen = clients[at]
      if (chosen === undefined) throw new Error('no such client')
      await new Promise((resolve) => setTimeout(resolve, random.below(40)))
      if (random.isLikely(0.2)) {
        chosen.signal('SIGSTOP')
        stopped.push(chosen)
      } else {
        chosen.signal('SIGKILL')
        complaints.push(await chosen.ended())
      }
      clients[at] = new Client(volume, next++)
      if (round % 10 !== 9) continue
      const name = await volume.snapshot()
      taken[name] = await past(volume, name)
    }
    for (const each of stopped) each.signal('SIGCONT')
    for (const each of [...clients, ...stopped]) {
      each.signal('SIGKILL')
      complaints.push(await each.ended())
    }
    expect(complaints.join('')).toBe('')
    const roots = (await volume.snapshots()).map((name) => volume.snapshotPath(name))
    const { ok } = await volume.actor.python(
      reading,
      { snapshots: [volume.live, ...roots] },
      60_000,
    )
    expect(ok).toEqual([true, []])
    expect(await pasts(volume)).toEqual(taken)
    expect((await volume.status()).gauges['repliesRefused']).toBe(0)
    await comesToRest(volume, descriptors)
    await volume.remount()
    expect(await pasts(volume)).toEqual(taken)
  })

  test('lose the mount when it is unmounted by force, and nothing that a snapshot has', async () => {
    const volume = await TestVolume.mounted({ chunkSize: '4K', isMountedOver: false })
    const clients = [1, 2, 3, 4].map((number) => new Client(volume, number))
    const { actor } = volume
    const fileOne = `${volume.live}/file1`
    await vi.waitFor(async () => {
      const { ok } = await actor.python(`result = os.path.exists(given['path'])`, { path: fileOne })
      expect(ok).toBe(true)
    }, 15_000)
    await volume.snapshot()
    const refused = await volume.bygone('unmount', volume.live)
    expect(refused.code).toBe(1)
    const before = await pasts(volume)
    await volume.succeed('unmount', '--force', volume.live)
    expect(volume.mounts()).toEqual([])
    for (const each of clients) expect(await each.ended()).toMatch(/Errno/)
    await volume.mount()
    expect(await pasts(volume)).toEqual(before)
  })

  test('get errors when the connection is aborted, and the daemon ends', async () => {
    const volume = await TestVolume.mounted({ isMountedOver: false })
    const clients = [1, 2, 3, 4].map((number) => new Client(volume, number))
    const { actor, live } = volume
    await vi.waitFor(async () => {
      const { ok } = await actor.python(`result = os.path.exists(given['live'] + '/file1')`, {
        live,
      })
      expect(ok).toBe(true)
    }, 15_000)
    await volume.snapshot()
    const before = await pasts(volume)
    // The same as writing to `abort` of the connection in fusectl, which not every machine has mounted.
    await run('umount', ['-f', live], { deadlineMs: 10_000 })
    for (const each of clients) expect(await each.ended()).toMatch(/Errno/)
    await vi.waitFor(
      () => {
        expect(volume.processes()).toEqual([])
        expect(volume.mounts()).toEqual([])
      },
      { timeout: 10_000, interval: 50 },
    )
    await volume.mount()
    expect(await pasts(volume)).toEqual(before)
    expect(await actor.fingerprint(live, hiddenInRoot)).not.toEqual([])
  })
})

describeMount('mounts of one origin that begin at once', () => {
  test('are one mount, and the others are told of it', async () => {
    const volume = new TestVolume()
    const [program = '', ...args] = volume.mountCommand()
    const options = { env: volume.environment, deadlineMs: 60_000 }
    const results = await Promise.all([1, 2, 3].map(() => run(program, args, options)))
    const codes = results.map(({ code }) => code).sort()
    expect(codes.filter((code) => code === 0)).toHaveLength(1)
    for (const { code, stderr } of results) {
      expect([0, 1, 3]).toContain(code)
      expect(stderr.split('\n').length - 1).toBe(code === 0 ? 0 : 1)
    }
    expect(volume.mounts()).toEqual([volume.live])
    const name = await volume.snapshot()
    await volume.remount()
    expect(await volume.snapshots()).toEqual([name])
  })
})
