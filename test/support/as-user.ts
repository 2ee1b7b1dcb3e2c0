import { chownSync } from 'node:fs'
import type { CommandResult } from './command.js'
import { run } from './command.js'
import { openTheDevice } from './fuse-device.js'
import type { TestVolume } from './test-volume.js'

/** An ordinary user, who has rights to nothing but what is given to him. */
export const user = 65534

/** Before a program, it makes that user run it. */
export const userPrefix = ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--clear-groups']

/** The volume's directories are the user's, who may mount. */
export function giveToUser(volume: TestVolume): void {
  openTheDevice()
  chownSync(volume.directory, user, user)
  chownSync(volume.origin, user, user)
}

/** Runs a shell script as the user in the volume's directory; `$BYGONE` is the command. */
export async function runAsUser(volume: TestVolume, script: string): Promise<CommandResult> {
  const [setpriv = '', ...rest] = userPrefix
  return run(setpriv, [...rest, 'sh', '-ec', script], {
    cwd: volume.directory,
    env: {
      ...volume.environment,
      HOME: volume.directory,
      XDG_RUNTIME_DIR: volume.directory,
      BYGONE: volume.programCommand(),
    },
    onHang: () => {
      volume.kill()
    },
  })
}
