import { expect, test } from 'vitest'
import { giveToUser, runAsUser } from '../support/as-user.js'
import { describeMount } from '../support/requirements.js'
import { TestVolume } from '../support/test-volume.js'

describeMount('an ordinary user', () => {
  test('mounts through fusermount3, snapshots, reads the past and unmounts', async () => {
    const volume = new TestVolume()
    giveToUser(volume)
    const { code, stdout, stderr } = await runAsUser(
      volume,
      `
      $BYGONE mount origin
      cd origin
      echo old >file; ln file hard; mkdir dir
      name=$($BYGONE snapshot)
      echo new >file; rm hard; rmdir dir
      cat file "$name/file" "$name/hard"
      stat -c %u file "$name/file"
      ls "$name"
      cd ..
      $BYGONE unmount origin`,
    )
    expect(stderr).toBe('')
    expect(code).toBe(0)
    expect(stdout).toMatch(/new\nold\nold\n65534\n65534\ndir\nfile\nhard\n$/)
    expect(volume.mounts()).toEqual([])
  })
})
