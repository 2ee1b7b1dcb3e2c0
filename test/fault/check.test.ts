import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { checkReport } from '../support/check-report.js'
import { Faults } from '../support/faults.js'
import { describeMount } from '../support/requirements.js'
import { TestVolume } from '../support/test-volume.js'
import { differencesOf } from '../support/tree.js'

// `bygone check` by the command line, on volumes that were mounted for real. What it finds in which damage is
// tested in store-damage.test.ts.

const chunk = 4096

/** A file of four chunks, changed in its second after a snapshot, and one that was removed. Returns the snapshot. */
async function makePast(volume: TestVolume): Promise<string> {
  const run = async (code: string) => {
    const { errno } = await volume.actor.python(`os.chdir(given['live'])\n${code}\nos.chdir('/')`, {
      live: volume.live,
    })
    expect(errno).toBeUndefined()
  }
  await run(`os.mkdir('sub')
open('sub/file', 'wb').write(b'a' * 4096 * 4)
open('sub/untouched', 'w').write('untouched')
open(b'not \\xff text', 'w').write('removed')`)
  const name = await volume.snapshot()
  await run(`with open('sub/file', 'r+b') as file:
    file.seek(4096)
    file.write(b'b' * 4096)
os.unlink(b'not \\xff text')`)
  return name
}

function journalOf(volume: TestVolume): string {
  const volumes = join(volume.store, 'volumes')
  return join(volumes, readdirSync(volumes)[0] ?? '', 'journal', '00000001.seg')
}

/** Writes other bytes in place of the only run of `byte` in a file. */
function spoil(path: string, byte: string): void {
  const bytes = readFileSync(path)
  const at = bytes.indexOf(byte.repeat(chunk))
  expect(at).toBeGreaterThan(0)
  bytes.writeUInt8(0x58, at + 100)
  writeFileSync(path, bytes)
}

describeMount('bygone check', () => {
  test('finds nothing in a volume that is whole, also after a kill, and after its index is lost', async () => {
    const volume = await TestVolume.mounted({ chunkSize: '4K' })
    await makePast(volume)
    await volume.unmount()
    const { code, report } = await checkReport(volume, '--data')
    expect({ code, ...report }).toMatchObject({
      code: 0,
      format: 'bygone-check',
      version: 1,
      mounted: false,
      data: true,
      clean: true,
      files: [],
      store: [],
      unchecked: [],
      volume: { origin: volume.origin, name: 'origin' },
      counts: { snapshots: 1, files: 4, retiredFiles: 1, retiredUnneeded: 0 },
    })
    const text = await volume.bygone('check', volume.origin)
    expect([text.code, text.stderr]).toEqual([0, ''])
    expect(text.stdout).toMatch(
      /^origin: looked at 1 snapshot, 4 paths, \d+ records \(\d+ KiB\)\n$/,
    )

    await volume.mount()
    volume.kill()
    await volume.hasDied()
    // The dead mount lies over the origin.
    await volume.unmount()
    expect((await checkReport(volume)).report).toMatchObject({ clean: true, files: [] })

    rmSync(join(journalOf(volume), '../../index'), { recursive: true })
    const lost = await checkReport(volume)
    expect(lost.code).toBe(2)
    expect(lost.report.store.map(({ kind }) => kind)).toEqual(['index-missing'])
    expect(lost.report.files).toEqual([])
    await volume.remount().catch(() => volume.mount())
    await volume.unmount()
    expect((await checkReport(volume)).report).toMatchObject({ clean: true, store: [] })
  })

  test('names what is lost by its path, its snapshots and its bytes', async () => {
    const volume = await TestVolume.mounted({ chunkSize: '4K' })
    const name = await makePast(volume)
    await volume.unmount()
    spoil(journalOf(volume), 'a')
    expect((await checkReport(volume)).code).toBe(0)
    const damaged = await checkReport(volume, '--data')
    expect(damaged.code).toBe(2)
    expect(damaged.report.files).toEqual([
      {
        path: 'sub/file',
        kind: 'damaged',
        lost: 'bytes',
        ranges: [{ start: chunk, end: 2 * chunk }],
        snapshots: [name],
      },
    ])
    const text = await volume.bygone('check', '--data', volume.origin)
    expect(text.stdout).toContain(
      `lost: sub/file\n  bytes 4096-8191: damaged in the store\n  in ${name}\n`,
    )
    expect(text.stderr).toMatch(/^bygone: 1 damage in the store and 1 loss in snapshots; .*\n$/)
    for (const line of text.stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80)

    const retired = join(volume.origin, '.bygone/retired')
    const [file = ''] = readdirSync(retired)
    renameSync(join(retired, file), volume.beside('taken'))
    const gone = await checkReport(volume)
    expect(gone.report.files).toEqual([
      {
        path: 'not \ufffd text',
        pathBase64: Buffer.from('not \xff text', 'latin1').toString('base64'),
        kind: 'gone',
        lost: 'everything',
        ranges: null,
        snapshots: [name],
      },
    ])
    renameSync(volume.beside('taken'), join(retired, file))
  })

  test('names what was changed while it was not mounted, and what the chunks that were preserved spare', async () => {
    const volume = await TestVolume.mounted({ chunkSize: '4K' })
    const name = await makePast(volume)
    await volume.unmount()
    writeFileSync(join(volume.origin, 'sub/file'), 'unseen')
    writeFileSync(join(volume.origin, 'sub/new'), 'unseen')
    const expected = [
      { path: 'sub', kind: 'changed', lost: 'names', ranges: null, snapshots: [name] },
      {
        path: 'sub/file',
        kind: 'changed',
        lost: 'bytes',
        ranges: [
          { start: 0, end: chunk },
          { start: 2 * chunk, end: 4 * chunk },
        ],
        snapshots: [name],
      },
    ]
    const seen = async () => {
      const { code, report } = await checkReport(volume)
      expect(code).toBe(2)
      return report.files.sort((a, b) => (a.path < b.path ? -1 : 1))
    }
    expect(await seen()).toEqual(expected)
    // It is known to the next session, and stays so.
    await volume.mount()
    await volume.unmount()
    expect(await seen()).toEqual(expected)
  })

  test('finds what a kill has left on its way from one place to the other', async () => {
    const volume = new TestVolume({ chunkSize: '4K' })
    await volume.mount()
    const { live } = volume
    const made = `for name in ('top/from/moved', 'top/to/replaced'):
    os.makedirs(given['live'] + '/' + name)`
    expect((await volume.actor.python(made, { live })).errno).toBeUndefined()
    const name = await volume.snapshot()
    const before = await volume.actor.fingerprint(volume.snapshotPath(name), [])
    // So that all that stands above has a place of its own in the index.
    const renamed = `os.rename(given['live'] + '/top', given['live'] + '/renamed')`
    expect((await volume.actor.python(renamed, { live })).errno).toBeUndefined()
    await volume.unmount()
    const faults = new Faults(volume.directory, 'retire.exchanged=kill@1')
    volume.variables = faults.variables
    await volume.mount()
    const move = `os.rename(given['live'] + '/renamed/from/moved', given['live'] + '/renamed/to/replaced')`
    expect((await volume.actor.python(move, { live })).errno).toBeDefined()
    expect(faults.hasKilled).toBe(true)
    await volume.hasDied()
    volume.variables = {}
    await volume.mount()
    await volume.unmount()
    expect((await checkReport(volume, '--data')).report).toMatchObject({ files: [], store: [] })
    await volume.mount()
    // Nothing is known yet of what is there.
    const after = await volume.newActor().fingerprint(volume.snapshotPath(name), [])
    expect(differencesOf(after, before)).toEqual([])
  })
})
