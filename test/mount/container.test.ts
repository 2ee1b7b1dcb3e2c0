import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test, vi } from 'vitest'
import { CliSandbox } from '../support/cli-sandbox.js'
import { run, type CommandResult } from '../support/command.js'
import { describeMount } from '../support/requirements.js'

const repository = fileURLToPath(new URL('../..', import.meta.url))

// A root directory as the image has it (scripts/docker/Dockerfile): the system's programs, bygone, the entry point.
const preparing = `
mount --make-rprivate /
mount -t tmpfs tmpfs "$ROOT"
cd "$ROOT"
mkdir -p proc sys dev run tmp opt/bygone/native/build srv/docs srv/mysql usr etc "./$NODE_PREFIX"
for name in bin sbin lib lib32 lib64; do
  if [ -L "/$name" ]; then ln -s "$(readlink "/$name")" "$name"
  elif [ -d "/$name" ]; then mkdir "$name"; mount --rbind "/$name" "$name"; fi
done
mount --rbind /usr usr
mount --bind /etc etc
case $NODE_PREFIX in /usr|/usr/*) ;; *) mount --bind "$NODE_PREFIX" "./$NODE_PREFIX" ;; esac
mount -t proc proc proc
mount --rbind /sys sys
touch dev/fuse dev/null dev/urandom
for name in fuse null urandom; do mount --bind "/dev/$name" "dev/$name"; done
for name in dist node_modules; do mkdir "opt/bygone/$name"; mount --bind "$REPOSITORY/$name" "opt/bygone/$name"; done
cp "$REPOSITORY/package.json" opt/bygone
mkdir -p opt/bygone/native/build/Release opt/bin
mount --bind "$REPOSITORY/native/build/Release" opt/bygone/native/build/Release
cp "$REPOSITORY/scripts/docker/cli.sh" opt/cli.sh
printf '#!/bin/sh\\nexec "%s" /opt/bygone/dist/cli/main.js "$@"\\n' "$NODE" >opt/bin/bygone
chmod +x opt/bin/bygone
mkdir -p data
mount --bind "$DATA" srv
exec chroot . /opt/cli.sh start`

describeMount('the entry point of the container', () => {
  test('is the first process of a root of its own, and does the work of docker-snap-volume', async () => {
    const sandbox = new CliSandbox()
    sandbox.mk('root/', 'data/docs/report', 'data/mysql/table')
    const variables = {
      PATH: '/opt/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      VOLUME_DATA: 'docs:/srv/docs,mysql:/srv/mysql',
      VOLUME_SNAP: '/srv/.snap',
      SNAP_MAX: '7',
      SNAP_CRON: '30 2 * * *',
    }
    const start = async () => {
      const child = spawn(
        'unshare',
        ['--mount', '--pid', '--fork', '--kill-child', 'sh', '-ec', preparing],
        {
          env: {
            ...sandbox.environment,
            ...variables,
            PATH: `/opt/bin:${process.env['PATH'] ?? ''}`,
            ROOT: sandbox.path('root'),
            DATA: sandbox.path('data'),
            REPOSITORY: repository,
            NODE: process.execPath,
            NODE_PREFIX: dirname(dirname(process.execPath)),
          },
          stdio: ['ignore', 'ignore', 'pipe'],
        },
      )
      let stderr = ''
      child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
      const ended = new Promise((resolve) => child.once('exit', resolve))
      await vi.waitFor(
        () => {
          if (child.exitCode !== null) throw new Error(`it ended\n${stderr}`)
          expect(stderr).toContain('the snapshots are in /srv/.snap/snapshot')
        },
        { timeout: 30_000, interval: 50 },
      )
      const first = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim()
      return { first, ended }
    }
    const inside = (first: string, ...command: string[]): Promise<CommandResult> =>
      run(
        'nsenter',
        ['--target', first, '--mount', '--pid', '--root', 'env', '--chdir=/', ...command],
        {
          env: { ...sandbox.environment, ...variables },
          deadlineMs: 30_000,
          onHang: () => {
            sandbox.free()
          },
        },
      )
    const cli = async (first: string, ...args: string[]): Promise<string> => {
      const { code, stdout, stderr } = await inside(first, '/opt/cli.sh', ...args)
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      return stdout
    }

    const container = await start()
    const { first } = container
    const name = (await cli(first, 'snapshot')).trim()
    const shown = `snapshot path:    /srv/.snap/snapshot
data path:
    /srv/docs -> [snapshot path]/@GMT-YYYY.MM.DD-hh.mm.ss/docs
    /srv/mysql -> [snapshot path]/@GMT-YYYY.MM.DD-hh.mm.ss/mysql
cron setting:     30 2 * * *
snapshot max:     7
snapshot list:
    1: ${name}
`
    expect(await cli(first, 'show', '-a')).toBe(shown)
    expect(await cli(first, 'show')).toBe(`snapshot list:\n    1: ${name}\n`)
    expect(await cli(first, 'help')).toMatch(/start[^]*show[^]*snapshot[^]*restore[^]*help/)
    expect((await inside(first, '/opt/cli.sh', 'nonsense')).code).toBe(64)
    const changed = await inside(
      first,
      'sh',
      '-ec',
      'echo other >/srv/docs/report; rm /srv/mysql/table',
    )
    expect(changed.code).toBe(0)
    const before = (await cli(first, 'restore', name, '--yes')).trim()
    const look = `cat /srv/docs/report /srv/mysql/table /srv/.snap/snapshot/${before}/docs/report`
    expect((await inside(first, 'sh', '-c', look)).stdout).toBe(
      'data/docs/report\ndata/mysql/table\nother\n',
    )
    // As `docker stop` does. What is live is plain files, also to the host.
    process.kill(Number(first), 'SIGTERM')
    expect(await container.ended).toBe(0)
    expect(readFileSync(sandbox.path('data/mysql/table'), 'utf8')).toBe('data/mysql/table\n')
    expect(sandbox.mounts()).toEqual([])

    // As after `docker kill`, and the next start.
    const second = await start()
    process.kill(Number(second.first), 'SIGKILL')
    await second.ended
    const third = await start()
    expect(await cli(third.first, 'show', '-a')).toBe(`${shown}    2: ${before}\n`)
    process.kill(Number(third.first), 'SIGTERM')
    expect(await third.ended).toBe(0)
  })
})
