import { chownSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { giveToUser, runAsUser, user, userPrefix } from '../support/as-user.js'
import { describeMount } from '../support/requirements.js'
import { expectSameScene } from '../support/scenes.js'
import { TestVolume } from '../support/test-volume.js'

// Goal: whatever programs do with names, attributes, rights and open files comes out as on the file system below.
// Method: each scene makes some thousand system calls and notes what each said, errno included, and what it left;
// once in a plain directory beside the origin and once on the mount, while snapshots are taken.

const scenes = ['creation', 'names', 'pairs of names', 'attributes', 'rights', 'open files']

/** The directories in which a scene is played: on the mount one that the newest snapshot has. */
async function tops(volume: TestVolume): Promise<{ live: string; plain: string }> {
  const plain = volume.beside('plain')
  mkdirSync(plain)
  const made = `os.mkdir(given['live'] + '/scene')`
  expect(await volume.actor.python(made, { live: volume.live })).toEqual({ ok: null })
  await volume.snapshot()
  return { live: join(volume.live, 'scene'), plain }
}

describeMount('the live tree behaves as the file system below it', () => {
  test.each(scenes)('%s, mounted over the origin', async (scene) => {
    const volume = await TestVolume.mounted()
    await expectSameScene(volume, scene, await tops(volume))
  })

  test.each(['names', 'open files'])('%s, at a mount point of its own', async (scene) => {
    const volume = await TestVolume.mounted({ isMountedOver: false })
    await expectSameScene(volume, scene, await tops(volume))
  })

  test.each(['names', 'open files'])("%s, in an ordinary user's own mount", async (scene) => {
    const volume = new TestVolume()
    giveToUser(volume)
    const plain = volume.beside('plain')
    mkdirSync(plain)
    chownSync(plain, user, user)
    const { stderr } = await runAsUser(
      volume,
      `$BYGONE mount origin; mkdir origin/scene; $BYGONE snapshot origin`,
    )
    expect(stderr).toBe('')
    await expectSameScene(volume, scene, { live: join(volume.live, 'scene'), plain }, userPrefix)
  })
})
