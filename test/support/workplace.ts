import { mkdirSync } from 'node:fs'
import { expect } from 'vitest'
import { succeed } from './command.js'
import { TestVolume, type TransportName } from './test-volume.js'

const deadlineMs = 180_000

/** Runs on a volume's live tree and then proves that a snapshot of it is as good as the tree itself. */
export class Workplace {
  readonly volume: TestVolume

  constructor(volume: TestVolume) {
    this.volume = volume
    mkdirSync(volume.beside('home'))
  }

  async sh(script: string, cwd = this.volume.live): Promise<string> {
    const home = this.volume.beside('home')
    const env = {
      ...this.volume.environment,
      HOME: home,
      SCRATCH: this.volume.beside('scratch'),
      LIVE: this.volume.live,
      BYGONE: this.volume.programCommand(),
      GIT_CONFIG_GLOBAL: `${home}/gitconfig`,
      npm_config_cache: `${home}/npm`,
      npm_config_update_notifier: 'false',
    }
    const onHang = () => {
      this.volume.kill()
    }
    return succeed('sh', ['-ec', script], { cwd, env, deadlineMs, onHang })
  }

  /** What `look` prints in the snapshot must be what it printed in the live tree at the cut, also later. */
  async snapshotLooksLike(look: string): Promise<string> {
    const atCut = await this.sh(look)
    const name = await this.volume.snapshot()
    const snapshot = this.volume.snapshotPath(name)
    expect(await this.sh(look, snapshot)).toBe(atCut)
    return snapshot
  }
}

export async function workplace(transport: TransportName = 'native'): Promise<Workplace> {
  return new Workplace(await TestVolume.mounted({ transport }))
}
