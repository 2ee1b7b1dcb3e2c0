import { chownSync } from 'node:fs'
import { expect, test } from 'vitest'
import { run } from '../support/command.js'
import { openTheDevice } from '../support/fuse-device.js'
import { describeMount } from '../support/requirements.js'
import { TestVolume } from '../support/test-volume.js'

const user = 65534

describeMount('an ordinary user', () => {
  test('mounts through fusermount3, snapshots, reads the past and unmounts', async () => {
    openTheDevice()
    const volume = new TestVolume()
    chownSync(volume.directory, user, user)
    chownSync(volume.origin, user, user)
    const asUser = async (script: string) =>
      run(
        'setpriv',
        [`--reuid=${user}`, `--regid=${user}`, '--clear-groups', 'sh', '-ec', script],
        {
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
        },
      )
    const { code, stdout, stderr } = await asUser(`
      $BYGONE mount origin
      cd origin
      echo old >file; ln file hard; mkdir dir
      name=$($BYGONE snapshot)
      echo new >file; rm hard; rmdir dir
      cat file "$name/file" "$name/hard"
      stat -c %u file "$name/file"
      ls "$name"
      cd ..
      $BYGONE unmount origin`)
    expect(stderr).toBe('')
    expect(code).toBe(0)
    expect(stdout).toMatch(/new\nold\nold\n65534\n65534\ndir\nfile\nhard\n$/)
    expect(volume.mounts()).toEqual([])
  })
})
