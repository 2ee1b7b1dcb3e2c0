import { chownSync, mkdirSync, rmSync } from 'node:fs'
import { expect, test } from 'vitest'
import { succeed } from '../support/command.js'
import { PostgresServer } from '../support/postgres.js'
import { describeMount } from '../support/requirements.js'
import { TestVolume } from '../support/test-volume.js'

const benchSeconds = Number(process.env['BYGONE_PGBENCH_SECONDS'] ?? 10)
const nobody = 65534

/** A server with pgbench's tables whose cluster lies in the live tree. */
async function liveServer(volume: TestVolume): Promise<PostgresServer> {
  const data = `${volume.plain}/data`
  mkdirSync(data)
  chownSync(data, nobody, nobody)
  const server = new PostgresServer(volume, 'live', `${volume.live}/data`)
  await server.init()
  await server.start()
  await server.program('pgbench', '--initialize', '--scale=2', '--quiet')
  return server
}

/** Runs pgbench until it ends: well, or because its server is gone. */
async function bench(server: PostgresServer, seconds: number): Promise<void> {
  await server.program('pgbench', '--no-vacuum', '--client=8', '--jobs=2', `--time=${seconds}`)
}

describeMount('PostgreSQL on the live tree', () => {
  test('copies of three snapshots of a busy database recover with all that was committed by then', async () => {
    const volume = await TestVolume.mounted()
    const server = await liveServer(volume)
    const progress = { isOver: false }
    const running = bench(server, benchSeconds).finally(() => (progress.isOver = true))
    const taken: { name: string; before: number; after: number }[] = []
    while (!progress.isOver) {
      const before = await server.transactions()
      // No two in one second: this is one a second.
      const name = await volume.snapshot()
      taken.push({ name, before, after: await server.transactions() })
    }
    await running
    await server.check()

    const chosen = [1, Math.floor(taken.length / 2), taken.length - 1].map((at) => taken[at])
    for (const snapshot of chosen) {
      if (snapshot === undefined) throw new Error(`only ${taken.length} snapshots`)
      const { name, before, after } = snapshot
      const copy = volume.beside(`copy-${name}`)
      await succeed('cp', ['-a', `${volume.snapshotPath(name)}/data`, copy], {
        onHang: () => {
          volume.kill()
        },
      })
      // The original of this copy still runs.
      rmSync(`${copy}/postmaster.pid`)
      const recovered = new PostgresServer(volume, name, copy)
      await recovered.start()
      expect(recovered.log()).toContain('automatic recovery in progress')
      const transactions = await recovered.transactions()
      expect(transactions).toBeGreaterThanOrEqual(before)
      expect(transactions).toBeLessThanOrEqual(after)
      await recovered.check()
      await recovered.stop()
    }
    expect(taken.at(-1)?.before).toBeGreaterThan(0)
  })

  test('it recovers after kill -9 of the server, and of bygone under it', async () => {
    const volume = await TestVolume.mounted()
    const server = await liveServer(volume)
    for (const [round, killsDaemon] of [false, true].entries()) {
      const running = expect(bench(server, 60)).rejects.toThrow(/pgbench/)
      await server.until((await server.transactions()) + 300)
      await volume.snapshot()
      const committed = (await server.transactions()) + 300
      await server.until(committed)
      if (killsDaemon) volume.killDaemon()
      await server.kill()
      await running
      if (killsDaemon) {
        await volume.hasDied()
        await volume.mount()
      }
      await server.start()
      expect(server.log().match(/automatic recovery in progress/g)).toHaveLength(round + 1)
      expect(await server.transactions()).toBeGreaterThanOrEqual(committed)
    }
    await server.check()
    await server.stop()
  })
})
