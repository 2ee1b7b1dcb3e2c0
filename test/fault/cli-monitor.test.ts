import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import type { CommandResult } from '../support/command.js'
import { CliSandbox } from '../support/cli-sandbox.js'
import { parsePrometheus, type Sample } from '../support/prometheus.js'
import { ToldClock } from '../support/told-clock.js'

// What a monitor is told: `check --quick`, `metrics`, and whom they tell.

const hourMs = 3_600_000

/** By one line on stdout, an exit code, and nothing else. */
function expectState({ stdout, stderr, code }: CommandResult, state: string, words: RegExp): void {
  expect(stdout).toMatch(/^(OK|WARNING|CRITICAL|UNKNOWN) - [^\n]+\n$/)
  expect(stdout).toMatch(words)
  expect([stdout.split(' ')[0], code]).toEqual([
    state,
    ['OK', 'WARNING', 'CRITICAL', 'UNKNOWN'].indexOf(state),
  ])
  expect(stderr).toBe('')
}

test('a quick check tells how a volume is doing, mounted or not, late, silent or dead', async () => {
  const box = new CliSandbox()
  box.mk('o/file', 'p/file')
  const quick = (...args: string[]) => box.bygone(['check', '--quick', ...args])
  await box.succeed('mount', './o', '--name', 'docs')
  await box.succeed('snapshot', './o')
  expectState(
    await quick('./o'),
    'OK',
    /docs: 1 snapshot, the newest \d+ s old, .* free \| age=\d+s /,
  )
  expectState(await quick('./nosuch'), 'UNKNOWN', /nosuch does not exist/)
  expectState(await quick('.'), 'UNKNOWN', /is in no volume/)
  await box.succeed('mount', './p', '--low-water', '100%')
  expectState(await quick('./p'), 'WARNING', /p: the disk of .* is nearly full/)

  // All at once: the worst counts, and comes first.
  const [daemon] = box.processes()
  const stopped = JSON.parse(await box.succeed('status', './o', '--json')) as {
    pid: number
    supervisor: { pid: number }
  }
  expect(box.processes()).toContain(daemon)
  process.kill(stopped.pid, 'SIGSTOP')
  try {
    expectState(await quick('./o', '--timeout', '1'), 'CRITICAL', /o: no answer within 1 s/)
  } finally {
    process.kill(stopped.pid, 'SIGCONT')
  }
  for (const pid of [stopped.supervisor.pid, stopped.pid]) process.kill(pid, 'SIGKILL')
  await expect
    .poll(async () => (await quick('./o')).stdout, { timeout: 20_000 })
    .toMatch(/^CRITICAL - .*o: the daemon of .* is gone/)
  const all = await quick('--all', '--json')
  const { state, volumes } = JSON.parse(all.stdout) as {
    state: string
    volumes: { volume: string; level: string }[]
  }
  const levels = volumes.filter(({ volume }) => volume === 'p' || volume === box.path('o'))
  expect([state, all.code]).toEqual(['CRITICAL', 2])
  expect(levels.map(({ level }) => level).sort()).toEqual(['critical', 'warning'])
})

test('a snapshot that is later than by half an interval is critical; whoever is to know is told', async () => {
  const box = new CliSandbox()
  box.mk('o/file')
  const clock = new ToldClock(box.path('clock'), Math.floor(Date.now() / 1000) * 1000)
  const bygone = (...args: string[]) => box.bygone(args, { env: clock.variables })
  const quick = (...args: string[]) => bygone('check', '--quick', './o', ...args)
  for (const args of [
    ['mount', './o'],
    ['snapshot', './o'],
    ['schedule', 'add', 'daily', '--every', '1d', '--spread', '0', '-V', './o'],
  ]) {
    expect(await bygone(...args)).toMatchObject({ code: 0 })
  }
  expectState(await quick(), 'OK', /age=0s;;129600 /)
  expect(await bygone('unmount', './o')).toMatchObject({ code: 0 })
  clock.goOn(36 * hourMs - 60_000)
  expectState(await quick(), 'WARNING', /not mounted: its schedules do not run/)
  clock.goOn(120_000)
  const late = /newest snapshot is 36 h old, and should be 36 h at most, it is not mounted/
  expectState(await quick(), 'CRITICAL', late)

  const program = box.path('tell')
  writeFileSync(program, `#!/bin/sh\nprintf '%s|' "$@" >'${box.path('told')}'\n`)
  chmodSync(program, 0o755)
  expectState(await quick('--on-fail', program), 'CRITICAL', late)
  expect(readFileSync(box.path('told'), 'utf8')).toMatch(
    /^CRITICAL\|CRITICAL - o: the newest [^|]*\|$/,
  )

  const bodies: unknown[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (part: Buffer) => (body += part.toString()))
    request.on('end', () => {
      bodies.push(JSON.parse(body))
      response.writeHead(request.url === '/gone' ? 410 : 204).end()
    })
  }).listen(0, '127.0.0.1')
  onTestFinished(() => {
    server.close()
  })
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  expectState(await quick('--on-fail', `${url}/here`), 'CRITICAL', late)
  expect(bodies).toMatchObject([{ format: 'bygone-alert', version: 1, state: 'CRITICAL' }])
  // Who can't be told changes nothing about what there is to tell.
  for (const [target, why] of [
    [`${url}/gone`, /could not be told: it answered 410/],
    [box.path('nosuch'), /could not be told: .*ENOENT/],
  ] as const) {
    const { code, stderr } = await quick('--on-fail', target)
    expect(code).toBe(2)
    expect(stderr).toMatch(/^bygone: [^\n]+\n$/)
    expect(stderr).toMatch(why)
  }
})

test('metrics are well-formed, tell what happened, and are the same on the control socket', async () => {
  const box = new CliSandbox()
  box.mk('o/file', 'p/file', 'store/')
  await box.succeed('mount', './o', '--store', './store', '--name', 'a "quoted" \\ name')
  await box.succeed('mount', './p', '--store', './store')
  await box.succeed('snapshot', './o', './p')
  await box.succeed('hold', 'latest', '-V', './o')
  await box.succeed('schedule', 'add', 'daily', '--every', '1d', '-V', './o')
  await box.shell('echo changed >o/file; sync o/file; ls o/@latest >/dev/null')
  expect(await box.bygone(['hold', 'nosuch', '-V', './p'])).toMatchObject({ code: 5 })
  expect(await box.bygone(['snapshot', './o', '--tag', 'a/b'])).toMatchObject({ code: 64 })

  const samples = parsePrometheus(await box.succeed('metrics'))
  const value = (name: string, labels: Record<string, string>) =>
    samples
      .filter((each) => each.name === name)
      .filter((each) => Object.entries(labels).every(([key, of]) => each.labels[key] === of))
      .map((each) => each.value)
  const o = { volume: 'a "quoted" \\ name', origin: box.path('o') }
  const p = { volume: 'p', origin: box.path('p') }
  const store = { store: box.path('store') }
  for (const [name, labels, wanted] of [
    ['bygone_volume_mounted', o, 1],
    ['bygone_volume_health', o, 0],
    ['bygone_snapshots', p, 1],
    ['bygone_snapshots_held', o, 1],
    ['bygone_snapshots_held', p, 0],
    ['bygone_snapshot_seconds_count', o, 1],
    ['bygone_snapshot_age_max_seconds', o, 129_600],
    ['bygone_schedule_failures', { ...o, schedule: 'daily' }, 0],
    ['bygone_chunks_preserved_total', o, 1],
    ['bygone_chunks_preserved_total', p, 0],
    ['bygone_sweep_pending', p, 0],
    ['bygone_command_failures_total', { ...store, kind: 'usage' }, 1],
  ] as const) {
    expect(value(name, labels), name).toEqual([wanted])
  }
  const [newest = 0] = value('bygone_snapshot_newest_timestamp_seconds', o)
  expect(Math.abs(Date.now() / 1000 - newest)).toBeLessThan(60)
  for (const [name, labels] of [
    ['bygone_store_bytes', o],
    ['bygone_disk_free_bytes', { ...o, disk: 'store' }],
    ['bygone_disk_low_water_bytes', { ...o, disk: 'origin' }],
    ['bygone_requests_total', p],
    ['bygone_journal_sync_seconds_count', o],
    ['bygone_snapshot_seconds_sum', o],
    ['bygone_daemon_resident_memory_bytes', store],
  ] as const) {
    const [found = 0] = value(name, labels)
    expect(found, name).toBeGreaterThan(0)
  }

  const families = (of: readonly Sample[]) => [...new Set(of.map(({ name }) => name))].sort()
  const { pid } = JSON.parse(await box.succeed('status', './o', '--json')) as { pid: number }
  const line = await box.shell(`exec python3 - <<'END'
import glob, json, socket, struct
for path in glob.glob('/run/bygone*/**/*', recursive=True) + glob.glob('/run/user/*/bygone*/**/*', recursive=True):
    try:
        client = socket.socket(socket.AF_UNIX)
        client.connect(path)
    except OSError:
        continue
    peer = struct.unpack('3i', client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
    if peer != ${pid}:
        continue
    client.sendall(b'{"command":"metrics"}\\n')
    print(client.makefile().readline())
    break
END`)
  const reply = JSON.parse(line) as { ok: boolean; result: string }
  const own = samples.filter(({ labels }) =>
    [o.origin, p.origin, store.store].includes(labels['origin'] ?? labels['store'] ?? ''),
  )
  expect(families(parsePrometheus(reply.result))).toEqual(families(own))

  await box.succeed('unmount', './p')
  const unmounted = parsePrometheus(await box.succeed('metrics', './p'))
  expect(unmounted.find(({ name }) => name === 'bygone_volume_mounted')).toMatchObject({
    labels: p,
    value: 0,
  })
})
