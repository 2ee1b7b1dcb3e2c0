import { writeFileSync } from 'node:fs'
import { expect, test, vi } from 'vitest'
import { allAbilities, OperationGenerator } from '../support/operation-generator.js'
import { Random, seedOfThisRun } from '../support/random.js'
import { describeMount } from '../support/requirements.js'
import { TestGroup, type GroupRun } from '../support/test-group.js'
import { ToldClock } from '../support/told-clock.js'
import { differencesOf, type TreeEntry } from '../support/tree.js'

// Counts up in docs first, then in mysql; ends with the mount, or when it is told.
const writing = `
record = lambda number: b'%07d ' % number * 1024
number = 0
try:
    a = os.open(given['docs'] + '/a%d' % given['writer'], os.O_WRONLY | os.O_CREAT)
    b = os.open(given['mysql'] + '/b%d' % given['writer'], os.O_WRONLY | os.O_CREAT)
    while not os.path.exists(given['stop']):
        number += 1
        os.pwrite(a, record(given['from'] + number), 0)
        os.pwrite(b, record(given['from'] + number), 0)
        time.sleep(0.001)
except OSError as error:
    if error.errno not in (errno.ENOTCONN, errno.ECONNABORTED, errno.EIO):
        raise
result = given['from'] + number`

const counters = `
def number_of(path):
    with open(path, 'rb') as file:
        stamps = set(file.read().split())
    assert len(stamps) == 1, 'torn: %s' % sorted(stamps)
    return int(stamps.pop())
result = [[number_of(given['at'] + '/docs/a%d' % writer), number_of(given['at'] + '/mysql/b%d' % writer)]
          for writer in range(2)]`

const secondMs = 1000

describeMount('a day in the life of a group', () => {
  test('that is changed, snapshotted each second and killed keeps the newest, each as it was', async () => {
    const seed = seedOfThisRun()
    console.log(`BYGONE_SEED=${seed}`)
    const group = new TestGroup()
    const { docs, mysql, sandbox } = group
    const clock = new ToldClock(sandbox.path('clock'), Math.ceil(Date.now() / 1000) * 1000)
    const options = [...group.volumes, '--snap-dir', group.directory]
    const settings = { ...clock.variables, SNAP_CRON: '* * * * * *', SNAP_MAX: '5' }
    const begin = async (): Promise<GroupRun> => {
      const run = group.launch(options, settings)
      await run.isReady()
      return run
    }
    let run = await begin()

    const stop = sandbox.path('stop')
    let reached = [0, 0]
    let writers: Promise<number>[] = []
    const startWriters = () => {
      writers = reached.map(async (from, writer) => {
        const given = { docs, mysql, writer, stop, from }
        return (await group.newActor().python(writing, given, 120_000)).ok as number
      })
    }
    const tree = `${docs}/tree`
    await group.actor.python(`os.mkdir(given['tree'])`, { tree })
    startWriters()
    await vi.waitFor(async () => {
      const { errno } = await group.actor.python(`os.stat(given['mysql'] + '/b1')`, { mysql })
      expect(errno).toBeUndefined()
    })

    const generator = new OperationGenerator(new Random(seed), 65536, {
      ...allAbilities,
      // An open file would end with its daemon.
      unlinkedFiles: false,
    })
    const oracle = new Map<string, TreeEntry[]>()
    const live = () => group.actor.fingerprint(tree, [])
    const newest = async () => (await group.listed()).at(-1) ?? ''
    let held = ''
    for (let second = 1; second <= 12; second++) {
      for (let count = 0; count < 25; count++) {
        const { op, happened } = generator.next()
        if ((await group.actor.attempt(tree, op)).errno === undefined) happened()
      }
      for (const { op, happened } of generator.closeAll()) {
        await group.actor.attempt(tree, op)
        happened()
      }
      const entries = await live()
      const before = await newest()
      if (second === 5 || second === 9) {
        // All of it at once; or the daemon alone, which is replaced.
        const killed = group.daemons()
        if (second === 5) {
          await run.kill()
          sandbox.killAll()
        } else group.killDaemon()
        reached = await Promise.all(writers)
        if (second === 5) run = await begin()
        await vi.waitFor(
          async () => {
            // Not before it is mounted again: what is written to the plain directory is in no snapshot.
            expect(group.daemons()).toHaveLength(1)
            expect(group.daemons()).not.toEqual(killed)
            expect(sandbox.mounts()).toEqual(expect.arrayContaining([docs, mysql]))
            expect(differencesOf(await live(), entries)).toEqual([])
          },
          { timeout: 20_000, interval: 50 },
        )
        startWriters()
      }
      clock.goOn(secondMs)
      await vi.waitFor(
        async () => {
          expect(await newest()).not.toBe(before)
        },
        {
          timeout: 20_000,
          interval: 20,
        },
      )
      oracle.set(await newest(), entries)
      if (second === 2) {
        held = await newest()
        for (const volume of [docs, mysql]) await sandbox.succeed('hold', held, '-V', volume)
      }
    }
    writeFileSync(stop, '')
    const last = await Promise.all(writers)

    const taken = [...oracle.keys()]
    const kept = [held, ...taken.slice(-5)]
    await vi.waitFor(
      async () => {
        expect(await group.names()).toEqual(kept)
      },
      {
        timeout: 20_000,
        interval: 100,
      },
    )
    const check = async () => {
      expect(await group.listed()).toEqual(kept)
      for (const name of kept) {
        const shown = await group.actor.fingerprint(group.at(name, 'docs', 'tree'), [])
        expect(differencesOf(shown, oracle.get(name) ?? []), name).toEqual([])
        const { ok, errno } = await group.actor.python(counters, { at: group.at(name) })
        expect(errno, name).toBeUndefined()
        for (const [writer, [a = 0, b = 0]] of (ok as number[][]).entries()) {
          expect(b, name).toBeLessThanOrEqual(a)
          expect(a, name).toBeLessThanOrEqual(b + 1)
          expect(a).toBeLessThanOrEqual(last[writer] ?? 0)
        }
      }
    }
    await check()
    expect(await run.stop()).toBe(0)
    expect(sandbox.mounts()).toEqual([])
    // The same day goes on: what stood still is not made up for.
    run = await begin()
    await check()
    expect(await run.stop()).toBe(0)
    for (const volume of [docs, mysql]) await sandbox.succeed('check', '--data', volume)
  })
})
