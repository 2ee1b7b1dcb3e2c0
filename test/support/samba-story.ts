import { mkdirSync } from 'node:fs'
import { expect } from 'vitest'
import { SambaServer, type SmbUser } from './samba-server.js'
import { TestVolume } from './test-volume.js'
import { isDirectoryEntry, type TreeEntry } from './tree.js'

/** What a story's smbd serves: the volume, its directory docs, and the volume below other modules that people use. */
export const shares = ['whole', 'part', 'stack'] as const

/** What smbclient says of one version of a file. */
export interface ListedVersion {
  size: number
  /** Seconds since 1970, the nearest. */
  mtimeSec: number
}

export type FileVersions = [snapshot: string, version: ListedVersion | undefined][]

/** Two snapshots and the live tree, with all that can happen to a file between them. */
const firstTree = `
os.chdir(given['live'])
os.makedirs('docs/sub/empty')
os.makedirs('gone/inner')
def put(path, data, time):
    with open(path, 'wb') as file:
        file.write(data)
    os.utime(path, ns=(time, time))
year = 31_557_600 * 10**9
put('report.txt', b'first', 50 * year)
put('docs/sub/Deep.txt', b'deep first', 51 * year)
put('docs/unchanged.txt', b'as ever', 52 * year)
put('docs/\\u00c4rger.txt', b'umlauts', 53 * year)
put('large.bin', random.Random(given['seed']).randbytes(700_000), 54 * year)
put('deleted.txt', b'only in the first', 40 * year)
put('docs/sub/deleted.txt', b'deep, only in the first', 41 * year)
put('gone/top.txt', b'in a deleted directory', 42 * year)
put('gone/inner/bottom.txt', b'two deep in one', 43 * year)
put('private.txt', b'for all', 44 * year)
put('own.txt', b'of the user', 45 * year)
os.chmod('private.txt', 0o600)
os.chown('own.txt', given['uid'], given['uid'])
os.chmod('.', 0o777)
os.chdir('/')`

const secondTree = `
os.chdir(given['live'])
def change(path, data):
    with open(path, 'wb') as file:
        file.write(data)
change('report.txt', b'second, longer')
change('docs/sub/Deep.txt', b'deep second')
with open('large.bin', 'r+b') as file:
    os.pwrite(file.fileno(), b'changed in the middle', 300_000)
os.unlink('deleted.txt')
os.unlink('docs/sub/deleted.txt')
shutil.rmtree('gone')
os.chmod('private.txt', 0o644)
os.chdir('/')`

const liveTree = `
os.chdir(given['live'])
with open('report.txt', 'wb') as file:
    file.write(b'third')
with open('docs/new.txt', 'wb') as file:
    file.write(b'new')
os.truncate('large.bin', 5000)
os.chdir('/')`

/** The user 'daemon' of Debian. */
const daemonUid = 1

/**
 * A volume with a story, and an smbd that serves it by just what `bygone samba` prints: as `whole`, its
 * directory docs as `part`, and the whole again as `stack`, below other modules that people use.
 */
export class SambaStory {
  readonly volume: TestVolume
  readonly server: SambaServer
  readonly first: string
  readonly second: string

  private constructor(volume: TestVolume, server: SambaServer, first: string, second: string) {
    this.volume = volume
    this.server = server
    this.first = first
    this.second = second
  }

  static async begin(): Promise<SambaStory> {
    const volume = await TestVolume.mounted({ chunkSize: '4K' })
    const given = { live: volume.live, uid: daemonUid, seed: 'samba' }
    const go = async (lines: string) => {
      expect(await volume.actor.python(lines, given)).toEqual({ ok: null })
    }
    await go(firstTree)
    const first = await volume.snapshot()
    await go(secondTree)
    const second = await volume.snapshot()
    await go(liveTree)
    const [whole, part] = await Promise.all([
      volume.succeed('samba', volume.live, '--share', 'whole'),
      volume.succeed('samba', `${volume.live}/docs`, '--share', 'part'),
    ])
    const stack = whole
      .replace('[whole]', '[stack]')
      .replace('= shadow_copy2', '= shadow_copy2 catia fruit streams_xattr acl_xattr')
    const server = await SambaServer.start(volume, [whole, part, stack])
    return new SambaStory(volume, server, first, second)
  }

  /** Newest first, as Samba sorts them. */
  get snapshots(): string[] {
    return [this.second, this.first]
  }

  /** What a share shows of a tree of the mount, by the path below: the live one, or a snapshot. */
  async posix(share: string, snapshot?: string): Promise<Map<string, TreeEntry>> {
    const root = [this.volume.live, ...(snapshot === undefined ? [] : [snapshot])]
    const path = [...root, ...(share === 'part' ? ['docs'] : [])].join('/')
    const entries = await this.volume.actor.fingerprint(path, ['@GMT-', '.bygone'])
    return new Map(
      entries
        .map((entry) => ({ ...entry, path: Buffer.from(entry.path, 'latin1').toString('utf8') }))
        .map((entry) => [entry.path, entry]),
    )
  }

  async smb(share: string, commands: string, user?: SmbUser): Promise<string> {
    return (await this.server.client(share, commands, user)).stdout
  }

  /** What each of these commands has said, in one session. */
  async smbEach(share: string, commands: readonly string[], user?: SmbUser): Promise<string[]> {
    // Between two of them it says where it is, and nothing else says so.
    const said = await this.smb(share, commands.map((each) => `${each}; pwd`).join('; '), user)
    const parts = said.split(/^Current directory is .*\n/m)
    if (parts.length !== commands.length + 1) throw new Error(`the session ended early:\n${said}`)
    return parts.slice(0, -1)
  }

  /** The versions of files as a client's dialog would list them, newest first; undefined: not in that one. */
  async versions(share: string, paths: readonly string[]): Promise<Map<string, FileVersions>> {
    const said = await this.smbEach(
      share,
      paths.map((path) => `allinfo "${smbPath(path)}"`),
    )
    return new Map(paths.map((path, at) => [path, versionsIn(said[at] ?? '')]))
  }

  /** Everything that a share of the mount shows, snapshots and the live tree, for a comparison later. */
  async everything(): Promise<Map<string, TreeEntry>[]> {
    const trees = [await this.posix('whole')]
    for (const name of this.snapshots) trees.push(await this.posix('whole', name))
    return trees
  }
}

function versionsIn(allInfo: string): FileVersions {
  return allInfo
    .split(/^(?=@GMT-)/m)
    .slice(1)
    .map((part) => {
      const label = part.split('\n')[0] ?? ''
      const time = /^write_time:\s+(.*)$/m.exec(part)?.[1]
      if (time === undefined) return [label, undefined]
      const size = Number(/^size: (\d+)$/m.exec(part)?.[1])
      return [label, { size, mtimeSec: Date.parse(time) / 1000 }]
    })
}

export function smbPath(...names: string[]): string {
  return names.join('/').replaceAll('/', '\\')
}

/** The paths of a tree that are files. */
export function filesOf(tree: ReadonlyMap<string, TreeEntry>): string[] {
  return [...tree.values()].filter((entry) => !isDirectoryEntry(entry)).map(({ path }) => path)
}

/** Content by path of what smbclient has fetched into a directory. */
export async function fetched(volume: TestVolume, directory: string): Promise<Map<string, string>> {
  const entries = await volume.actor.fingerprint(directory, [])
  const paths = entries.map(({ path, bytes }) => [
    Buffer.from(path, 'latin1').toString('utf8'),
    bytes ?? 'a directory',
  ])
  return new Map(paths as [string, string][])
}

export function contents(tree: ReadonlyMap<string, TreeEntry>): Map<string, string> {
  return new Map([...tree].map(([path, { bytes }]) => [path, bytes ?? 'a directory']))
}

/** A directory for what a session fetches. */
export function emptyDirectory(volume: TestVolume, name: string): string {
  const path = volume.beside(name)
  mkdirSync(path)
  return path
}
