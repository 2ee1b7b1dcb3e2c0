import { cpSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { spawn, type ChildProcess } from 'node:child_process'
import { expect, onTestFinished, test } from 'vitest'
import { run, succeed } from '../support/command.js'
import { describeMount } from '../support/requirements.js'
import { TestVolume } from '../support/test-volume.js'

// Goal: what others do to an origin or its store beside the mount is noticed and named, and never shows in a
// snapshot as its own.
// Method: processes that hold files open from before the mount, and copies of one half put beside the other.

/** Holds a file of the origin by `open`, and does what its input says: a line of Python each. */
class Holder {
  readonly #process: ChildProcess

  private constructor(child: ChildProcess) {
    this.#process = child
    onTestFinished(() => {
      child.kill('SIGKILL')
    })
  }

  static async start(setUp: string): Promise<Holder> {
    const loop = `import mmap, os, sys\n${setUp}\nprint('ok', flush=True)\nfor line in sys.stdin:\n    exec(line)\n    print('ok', flush=True)\n`
    const holder = new Holder(
      spawn('python3', ['-c', loop], { stdio: ['pipe', 'pipe', 'inherit'] }),
    )
    await holder.#said()
    return holder
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  async do(line: string): Promise<void> {
    const said = this.#said()
    this.#process.stdin?.write(`${line}\n`)
    await said
  }

  #said(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#process.stdout?.once('data', () => {
        resolve()
      })
      this.#process.once('exit', (code) => {
        reject(new Error(`the holder ended: ${code ?? 'killed'}`))
      })
    })
  }
}

/** A file as a program reads it: its text, or an errno. */
async function read(volume: TestVolume, path: string): Promise<unknown> {
  const { ok, errno } = await volume.actor.python(`result = open(given['path']).read()`, { path })
  return errno ?? ok
}

describeMount('a file that a process holds open from before the mount', () => {
  test.each([
    ['by a descriptor', `file = os.open('PATH', os.O_RDWR)`, `os.pwrite(file, b'AFTER', 0)`],
    [
      'by a mapping alone',
      `file = os.open('PATH', os.O_RDWR); page = mmap.mmap(file, 4096); os.close(file)`,
      `page[0:5] = b'AFTER'`,
    ],
  ])('%s is named, and is EIO in snapshots until it is closed', async (_, open, change) => {
    const volume = new TestVolume()
    const path = join(volume.origin, 'held')
    writeFileSync(path, 'before'.padEnd(4096, '.'))
    writeFileSync(join(volume.origin, 'other'), 'other')
    const holder = await Holder.start(open.replace('PATH', path))
    const { stderr } = await run(volume.mountCommand()[0] ?? '', volume.mountCommand().slice(1), {
      env: volume.environment,
    })
    expect(stderr).toContain(`(pid ${holder.pid}) has ${path} open for writing`)
    expect(stderr.trim().split('\n')).toHaveLength(1)
    const then = await volume.snapshot()
    await holder.do(change)
    await holder.do(`os.close(file) if 'page' not in globals() else page.close()`)
    const after = await volume.snapshot()
    await volume.actor.python(`open(given['path'], 'r+').write('LATER')`, { path })
    const looked = async () => [
      await read(volume, join(volume.live, then, 'held')),
      String(await read(volume, join(volume.live, after, 'held'))).slice(0, 6),
      await read(volume, join(volume.live, then, 'other')),
    ]
    expect(await looked()).toEqual(['EIO', 'AFTERe', 'other'])
    await volume.unmount()
    await volume.mount()
    expect(await looked()).toEqual(['EIO', 'AFTERe', 'other'])
  })

  test('for reading, or of another directory, is not worth a word', async () => {
    const volume = new TestVolume()
    writeFileSync(join(volume.origin, 'read'), 'x')
    mkdirSync(volume.beside('origin-too'))
    writeFileSync(join(volume.beside('origin-too'), 'written'), 'x')
    await Holder.start(
      `a = os.open('${join(volume.origin, 'read')}', os.O_RDONLY)
b = os.open('${join(volume.beside('origin-too'), 'written')}', os.O_RDWR)`,
    )
    const [program = '', ...rest] = volume.mountCommand()
    expect((await run(program, rest, { env: volume.environment })).stderr).toBe('')
  })
})

const refusal = /not of one time.*bring back/

describeMount('an origin and a store that are not of one time', () => {
  test('since the store was restored from a copy: refused, until the right one is back', async () => {
    const volume = new TestVolume({ isStoreApart: true })
    writeFileSync(join(volume.origin, 'file'), 'one')
    await volume.mount()
    const name = await volume.snapshot()
    await volume.unmount()
    cpSync(volume.store, volume.beside('copy'), { recursive: true, preserveTimestamps: true })
    await volume.mount()
    await volume.actor.python(`open(given['path'], 'w').write('two')`, {
      path: join(volume.live, 'file'),
    })
    await volume.unmount()
    renameSync(volume.store, volume.beside('right'))
    cpSync(volume.beside('copy'), volume.store, { recursive: true, preserveTimestamps: true })
    const { code, stderr } = await volume.bygone(...volume.mountCommand().slice(2))
    expect([code, stderr]).toEqual([2, expect.stringMatching(refusal)])
    rmSync(volume.store, { recursive: true })
    renameSync(volume.beside('right'), volume.store)
    await volume.mount()
    expect(await read(volume, join(volume.live, name, 'file'))).toBe('one')
  })

  test('since the origin is a clone of its disk: refused, and the original goes on', async () => {
    const volume = new TestVolume({ isStoreApart: true })
    const [image, clone] = [volume.beside('image'), volume.beside('clone')]
    await succeed('truncate', ['-s', '32M', image])
    await succeed('mkfs.ext4', ['-q', image])
    const disks = [volume.beside('disk'), volume.beside('disk-too')] as const
    for (const disk of disks) mkdirSync(disk)
    onTestFinished(async () => {
      for (const disk of disks) await run('umount', ['-l', disk], {})
    })
    await succeed('mount', ['-o', 'loop', image, disks[0]])
    const origin = join(disks[0], 'origin')
    mkdirSync(origin)
    writeFileSync(join(origin, 'file'), 'one')
    const args = (at: string) => ['mount', at, '--store', volume.store]
    await volume.succeed(...args(origin))
    const name = (await volume.succeed('snapshot', origin)).trim()
    await volume.succeed('unmount', origin)
    await succeed('umount', [disks[0]])
    await succeed('cp', ['--sparse=always', image, clone])
    await succeed('mount', ['-o', 'loop', image, disks[0]])
    await volume.succeed(...args(origin))
    await volume.actor.python(`open(given['path'], 'w').write('two')`, {
      path: join(origin, 'file'),
    })
    await volume.succeed('unmount', origin)
    await succeed('mount', ['-o', 'loop', clone, disks[1]])
    const { code, stderr } = await volume.bygone(...args(join(disks[1], 'origin')))
    expect([code, stderr]).toEqual([2, expect.stringMatching(refusal)])
    expect(readFileSync(join(disks[1], 'origin', 'file'), 'utf8')).toBe('one')
    await volume.succeed(...args(origin))
    expect(await read(volume, join(origin, name, 'file'))).toBe('one')
    await volume.succeed('unmount', origin)
  })
})
