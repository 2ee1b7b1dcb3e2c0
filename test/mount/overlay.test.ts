import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { describeMount } from '../support/requirements.js'
import { workplace } from '../support/workplace.js'

const hasOverlay = /\boverlay$/m.test(readFileSync('/proc/filesystems', 'utf8'))
const isSkipped = !hasOverlay && process.env['CI'] !== 'true'
if (isSkipped) console.log('skipped: overlayfs: this kernel has none')

// Link counts of merged directories are overlayfs's own.
const look = `find . -type d -printf '%P %m\\n' -o -printf '%P %y %m %s %l %n\\n' | sort; find . -type f -exec sha256sum {} + | sort`

const change = `
  echo more >>file; chmod 640 other; rm gone; rm -r tree/1; mv tree/2 moved; mv file renamed
  mkdir tree/1; echo new >tree/1/new; ln renamed hard; ln -sfn elsewhere link; mkdir -p born/deep; mv tree/3/3 born/deep
  setfattr -n user.mark -v b other; truncate -s 100 tree/3/1; rmdir empty; touch empty`

describeMount('overlayfs', () => {
  test.skipIf(isSkipped)(
    'has a snapshot below and the live tree above, and later snapshots keep what it made',
    async () => {
      const place = await workplace()
      await place.sh(`mkdir low low/empty up work; mkdir "$SCRATCH" "$SCRATCH/merged" "$SCRATCH/past"
      cd low; echo text >file; echo other >other; echo gone >gone; ln -s file link
      for n in 1 2 3; do mkdir -p tree/$n; for m in 1 2 3; do head -c 9000 /dev/urandom >tree/$n/$m; done; done
      cp -a . "$SCRATCH/plain"`)
      const below = place.volume.snapshotPath(await place.volume.snapshot())
      await place.sh('rm -r low/tree; echo later >low/file')
      const layers = (lower: string) => `lowerdir=${lower},upperdir=$LIVE/up,workdir=$LIVE/work`
      await place.sh(`mount -t overlay -o "${layers(`${below}/low`)}" overlay "$SCRATCH/merged"`)
      await place.sh(`cd "$SCRATCH/merged"; ${change}`)
      await place.sh(`cd "$SCRATCH/plain"; ${change}`)
      const wanted = await place.sh(`cd "$SCRATCH/plain"; ${look}`)
      expect(await place.sh(`cd "$SCRATCH/merged"; ${look}`)).toBe(wanted)
      // Both layers from snapshots, once the live one has gone on.
      const above = place.volume.snapshotPath(await place.volume.snapshot())
      await place.sh(
        'cd "$SCRATCH/merged"; rm -r born; echo now >other; rm -r moved; cd /; umount "$SCRATCH/merged"',
      )
      await place.sh(
        `mount -t overlay -o "lowerdir=${above}/up:${below}/low" overlay "$SCRATCH/past"`,
      )
      expect(await place.sh(`cd "$SCRATCH/past"; ${look}`)).toBe(wanted)
      expect(await place.sh('umount "$SCRATCH/past"; ls up | grep -c other')).toBe('1\n')
    },
  )

  test.skipIf(isSkipped)('has the live tree below another file system', async () => {
    const place = await workplace()
    await place.sh(`mkdir low "$SCRATCH" "$SCRATCH/merged" "$SCRATCH/tmpfs"; cp -a /usr/share/common-licenses low/tree
      mount -t tmpfs tmpfs "$SCRATCH/tmpfs"; mkdir "$SCRATCH/tmpfs/up" "$SCRATCH/tmpfs/work"`)
    const before = await place.sh(`cd low; ${look}`)
    await place.sh(`cd "$SCRATCH"
      mount -t overlay -o "lowerdir=$LIVE/low,upperdir=tmpfs/up,workdir=tmpfs/work" overlay merged
      echo changed >merged/tree/GPL-3; rm merged/tree/BSD; mv merged/tree merged/moved; test "$(cat merged/moved/GPL-3)" = changed
      umount merged tmpfs`)
    expect(await place.sh(`cd low; ${look}`)).toBe(before)
  })
})
