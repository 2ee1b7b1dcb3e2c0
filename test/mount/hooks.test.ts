import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { faultPoints } from '../../src/base/fault-points.js'
import { Faults } from '../support/faults.js'
import { describeMount } from '../support/requirements.js'
import { TestVolume, type TestVolumeOptions } from '../support/test-volume.js'

// Commands around snapshots, on real mounts that the commands use themselves.

interface Hooked {
  volume: TestVolume
  /** Makes a shell script and sets it. */
  set: (point: 'pre' | 'post', lines: string, ...options: string[]) => Promise<void>
  /** What the scripts have written to $NOTES. */
  notes: () => string[]
}

async function hooked(options: TestVolumeOptions = {}): Promise<Hooked> {
  const volume = new TestVolume(options)
  const notes = volume.beside('notes')
  volume.variables = { BYGONE_CONFIG: volume.beside('config'), NOTES: notes }
  await volume.mount()
  const set = async (point: 'pre' | 'post', lines: string, ...flags: string[]) => {
    const script = volume.beside(`${point}.sh`)
    writeFileSync(script, `#!/bin/sh\n${lines}\n`)
    chmodSync(script, 0o755)
    await volume.succeed(
      'hook',
      'set',
      point,
      '-V',
      volume.live,
      ...flags,
      '--',
      script,
      'a b',
      '*',
    )
  }
  const read = () =>
    existsSync(notes)
      ? readFileSync(notes, 'utf8')
          .split('\n')
          .filter((line) => line !== '')
      : []
  return { volume, set, notes: read }
}

const note = 'echo "$BYGONE_HOOK $BYGONE_RESULT $BYGONE_SNAPSHOT" >> "$NOTES"'
const log = (volume: TestVolume) => readFileSync(join(volume.store, 'daemon.log'), 'utf8')

describeMount('hooks', () => {
  test('run before and after each snapshot, whoever takes it, and know what it is about', async () => {
    const { volume, set, notes } = await hooked()
    await set(
      'pre',
      `echo "$BYGONE_HOOK $BYGONE_VOLUME $BYGONE_ORIGIN $BYGONE_MOUNT_POINT $BYGONE_TAGS $BYGONE_MEMO|$#|$1|$2" >> "$NOTES"`,
    )
    await set('post', note)
    const memo = `$(touch ${volume.beside('injected')}); x`
    const name = await volume.snapshot('--tag', 'one', '-m', memo)
    expect(notes()).toEqual([
      `pre origin ${volume.origin} ${volume.live} one ${memo}|2|a b|*`,
      `post taken ${name}`,
    ])
    expect(existsSync(volume.beside('injected'))).toBe(false)
    expect(log(volume)).toMatch(
      /pre hook of origin: done in \d+ ms\n.*snapshot @GMT.*\n.*post hook/,
    )
    const made = await volume.actor.python(`os.mkdir(given['path'])`, {
      path: join(volume.live, '.snapshots', 'by-hand'),
    })
    expect(made.errno).toBeUndefined()
    expect(notes()).toHaveLength(4)
    expect(notes()[2]).toMatch(/^pre .* by-hand \|/)
    const shown = await volume.succeed('hook', volume.live)
    expect(shown).toBe(
      ['pre', 'post']
        .map((point) => `set ${point} --timeout 1m -- ${volume.beside(`${point}.sh`)} 'a b' '*'\n`)
        .join(''),
    )
    await volume.succeed('hook', 'remove', 'pre', 'post', '-V', volume.live)
    await volume.snapshot()
    expect(notes()).toHaveLength(4)
  })

  test('may use the mount and the command line', async () => {
    const { volume, set, notes } = await hooked()
    const { live } = volume
    await set(
      'pre',
      `set -e; cd '${live}'; echo frozen > state; sync .; ls @latest .snapshots > /dev/null || true
${volume.programCommand()} list '${live}' > /dev/null; ${volume.programCommand()} memo latest old -V '${live}' || true
dd if=/dev/zero of=large bs=1M count=8 conv=fsync 2>/dev/null; echo pre >> "$NOTES"`,
    )
    await set(
      'post',
      `cd '${live}' && echo thawed > state && echo "post $BYGONE_RESULT" >> "$NOTES"`,
    )
    const name = await volume.snapshot()
    expect(notes()).toEqual(['pre', 'post taken'])
    const { ok } = await volume.actor.python(
      `result = [open(given['live'] + path).read() for path in given['paths']]`,
      { live, paths: [`/${name}/state`, '/state'] },
    )
    expect(ok).toEqual(['frozen\n', 'thawed\n'])
  })

  test('that fail or take too long before keep the snapshot from being taken; after runs all the same', async () => {
    const { volume, set, notes } = await hooked()
    await set('post', `${note}; echo "$BYGONE_ERROR" >> "$NOTES"; exit 7`)
    await set('pre', 'echo "the database is gone" >&2; exit 3')
    const failed = await volume.bygone('snapshot', volume.live)
    expect([failed.code, failed.stdout]).toEqual([1, ''])
    const why = 'the pre hook of origin failed, exit code 3: the database is gone'
    expect(failed.stderr).toBe(`bygone: ${why}\n`)
    expect(notes()).toEqual(['post failed ', why])
    expect(await volume.snapshots()).toEqual([])
    expect(log(volume)).toContain('origin: the post hook of origin failed, exit code 7')
    // What it has started is ended too, and not waited for.
    await set('pre', 'trap "" TERM; sleep 1000 & echo $! > "$NOTES.pid"; wait', '--timeout', '1')
    const late = await volume.bygone('snapshot', volume.live)
    expect(late.stderr).toMatch(/the pre hook of origin took longer than 1 s/)
    expect(notes().slice(2)).toEqual([
      'post failed ',
      'the pre hook of origin took longer than 1 s',
    ])
    const pid = readFileSync(`${volume.beside('notes')}.pid`, 'utf8').trim()
    await vi.waitFor(() => {
      expect(existsSync(`/proc/${pid}`)).toBe(false)
    }, 10_000)
    await set('pre', 'exit 0')
    await volume.snapshot()
    expect(await volume.snapshots()).toHaveLength(1)
    const tried = await volume.actor.python(`os.mkdir(given['path'])`, {
      path: join(volume.live, '.snapshots', 'tagged'),
    })
    expect(tried).toEqual({ ok: null })
  })

  test('that were cut off by a kill, wherever, are ended by the post command at the next mount', async () => {
    const { volume, set, notes } = await hooked()
    await set('pre', note)
    await set('post', note)
    await volume.unmount()
    const { variables } = volume
    const points = Object.keys(faultPoints).filter((name) => name.startsWith('hooks.'))
    for (const point of points) {
      const faults = new Faults(volume.directory, `${point}=kill`)
      volume.variables = { ...variables, ...faults.variables }
      await volume.mount()
      expect((await volume.bygone('snapshot', volume.live)).code).not.toBe(0)
      expect(faults.hasKilled, point).toBe(true)
      await volume.hasDied()
      const before = notes().length
      volume.variables = variables
      await volume.mount()
      await vi.waitFor(() => {
        expect(notes(), point).toHaveLength(before + 1)
      }, 20_000)
      expect(notes().at(-1)).toBe('post failed ')
      await volume.unmount()
    }
    await volume.mount()
    const before = notes().length
    const name = await volume.snapshot()
    expect(notes().slice(before)).toEqual(['pre  ', `post taken ${name}`])
  })

  test('that others could have written are not run, and nothing is taken without them', async () => {
    const { volume, set, notes } = await hooked()
    await set('pre', note)
    const directory = join(volume.beside('config'), 'hooks')
    chmodSync(directory, 0o777)
    const refused = await volume.bygone('snapshot', volume.live)
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringMatching(/hooks is not believed: it must belong to uid 0, and nobody else/),
    ])
    chmodSync(directory, 0o755)
    const wrong: [string[], number, RegExp][] = [
      [['set', 'pre', '--', 'true'], 64, /give the absolute path/],
      [['set', 'pre', '--', '/nosuch/program'], 64, /\/nosuch\/program does not exist/],
      [['set', 'during', '--', '/bin/true'], 64, /Allowed choices are pre, post/],
      [['set', 'pre', '--timeout', '0', '--', '/bin/true'], 64, /such as 15m, 1h or 7d/],
      [['set', 'pre', '--timeout', '2d', '--', '/bin/true'], 64, /more than a day/],
      [['set', 'pre'], 64, /missing required argument/],
      [['remove', 'pre', 'post'], 5, /has no post hook: nothing was changed/],
    ]
    for (const [args, code, words] of wrong) {
      const [action = '', ...rest] = args
      const result = await volume.bygone('hook', action, '-V', volume.live, ...rest)
      expect(result.stderr).toMatch(words)
      expect(result.code, args.join(' ')).toBe(code)
    }
    await volume.snapshot()
    expect(notes()).toEqual(['pre  '])
    mkdirSync(volume.beside('other'))
    volume.variables = { ...volume.variables, BYGONE_CONFIG: volume.beside('other') }
    expect(await volume.succeed('hook', volume.live)).toBe('')
  })
})
