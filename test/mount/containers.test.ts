import { expect, test } from 'vitest'
import { describeMount } from '../support/requirements.js'
import { TestVolume } from '../support/test-volume.js'
import { Workplace, workplace } from '../support/workplace.js'

/** Copies programs with the libraries they need below `root`, as far as a package's scripts need them. */
const makeRoot = `
  mkdir -p root/usr/bin root/usr/lib root/usr/lib64 root/usr/sbin root/tmp root/etc root/proc
  ln -s usr/bin root/bin; ln -s usr/sbin root/sbin; ln -s usr/lib root/lib; ln -s usr/lib64 root/lib64
  for program in sh dpkg dpkg-deb dpkg-query dpkg-split tar rm cat find diff ls mkdir chmod umount stat touch; do
    path=$(command -v $program); cp $path root/usr/bin/
    ldd $path | grep -o '/[^ ]*' | while read library; do
      mkdir -p root$(dirname $library); test -e root$library || cp $library root$library; done
  done
  printf '#!/bin/sh\\n' >root/usr/sbin/ldconfig; cp root/usr/sbin/ldconfig root/usr/sbin/start-stop-daemon
  chmod 755 root/usr/sbin/*
  mkdir -p root/var/lib/dpkg/info root/var/lib/dpkg/updates root/var/log; touch root/var/lib/dpkg/status`

/** A small package with a script that runs when it is installed. */
const makePackage = `
  mkdir -p "$SCRATCH/package/DEBIAN" "$SCRATCH/package/usr/share/greeting"
  for version in 1 2; do
    echo "greeting $version" >"$SCRATCH/package/usr/share/greeting/text"
    printf 'Package: greeting\\nVersion: %s\\nArchitecture: all\\nMaintainer: A <a@example.org>\\nDescription: a greeting\\n' $version >"$SCRATCH/package/DEBIAN/control"
    printf '#!/bin/sh\\ncat /usr/share/greeting/text >>/etc/installed\\n' >"$SCRATCH/package/DEBIAN/postinst"
    chmod 755 "$SCRATCH/package/DEBIAN/postinst"
    dpkg-deb --build --root-owner-group -Zgzip "$SCRATCH/package" root/tmp/greeting-$version.deb >/dev/null
  done`

describeMount('containers on the live mount', () => {
  test('dpkg installs, upgrades and removes a package in a chroot, and each snapshot has its own', async () => {
    const place = await workplace()
    await place.sh(`${makeRoot}\n${makePackage}`)
    const look = `chroot root dpkg-query --show; cat root/etc/installed; find root/usr/share root/var/lib/dpkg -printf '%p %y %m %s\\n' | sort`
    const dpkg = (what: string) => place.sh(`chroot root dpkg ${what} >/dev/null 2>&1`)
    await dpkg('--install tmp/greeting-1.deb')
    const first = await place.snapshotLooksLike(look)
    const wanted = await place.sh(look, first)
    expect(wanted).toContain('greeting 1\n')
    await dpkg('--install tmp/greeting-2.deb')
    expect(await place.sh('cat root/etc/installed')).toBe('greeting 1\ngreeting 2\n')
    await dpkg('--purge greeting')
    expect(await place.sh('chroot root dpkg-query --show; find root/usr -name greeting')).toBe('')
    expect(await place.sh(look, first)).toBe(wanted)
    expect(await place.sh('chroot root dpkg --verify greeting', first)).toBe('')
  })

  test('a root of its own, bind mounts of a directory and of one file, and one that is read-only', async () => {
    const place = await workplace()
    await place.sh(makeRoot)
    await place.sh(
      'mkdir -p data/sub root/data root/old; echo 1 >data/sub/file; touch root/etc/one',
    )
    const seen = await place.sh(`unshare --mount sh -ec '
      mount --bind root root; mount --bind data root/data; mount --bind data/sub/file root/etc/one
      mount -o remount,bind,ro root/data; cd root; mount -t proc proc proc; pivot_root . old; cd /
      umount -l /old; cat /data/sub/file; echo 2 >>/etc/one; cat /data/sub/file; touch /data/new || echo refused; ls /'`)
    expect(seen).toMatch(/^1\n1\n2\nrefused\nbin\ndata\n/)
    expect(await place.sh('cat data/sub/file')).toBe('1\n2\n')
  })

  test('in a user namespace the tree belongs to whom it did, and is changed within the same rights', async () => {
    const place = await workplace()
    await place.sh('mkdir mine; chown 65534:65534 mine; mkdir roots; chmod 755 . mine roots')
    const run = `setpriv --reuid=65534 --regid=65534 --clear-groups unshare --user --map-root-user --mount sh -ec`
    const seen = await place.sh(`${run} '
      cd mine; echo text >file; mkdir dir; ln -s file link; mv file dir; stat -c "%u %g" dir/file
      mount --bind dir /mnt; cat /mnt/file; touch ../roots/no 2>/dev/null || echo refused; mknod null c 1 3 2>/dev/null || echo refused'`)
    expect(seen).toBe('0 0\ntext\nrefused\nrefused\n')
    expect(await place.sh('stat -c "%u %n" mine/dir/file mine/link')).toBe(
      '65534 mine/dir/file\n65534 mine/link\n',
    )
  })
})

describeMount('disk images on the live mount', () => {
  test('an ext4 image is mounted and written live, and mounted read-only as each snapshot has it', async () => {
    const place = await workplace()
    await place.sh(`mkdir "$SCRATCH" "$SCRATCH/disk"; truncate -s 24M image; mkfs.ext4 -q image
      mount -o loop image "$SCRATCH/disk"; echo old >"$SCRATCH/disk/file"; sync -f "$SCRATCH/disk/file"`)
    const snapshot = place.volume.snapshotPath(await place.volume.snapshot())
    await place.sh(
      `cd "$SCRATCH/disk"; echo new >file; head -c 4000000 /dev/urandom >more; cd /; umount "$SCRATCH/disk"; e2fsck -fn "$LIVE/image" 2>&1`,
    )
    // As it was in the middle of being used: the journal is replayed on a copy, and left alone on the snapshot.
    const found =
      await place.sh(`mount -o loop,ro,noload ${snapshot}/image "$SCRATCH/disk"; cat "$SCRATCH/disk/file"; umount "$SCRATCH/disk"
      cp ${snapshot}/image "$SCRATCH/copy"; mount -o loop "$SCRATCH/copy" "$SCRATCH/disk"; cat "$SCRATCH/disk/file"; umount "$SCRATCH/disk"
      mount -o loop,ro image "$SCRATCH/disk"; cat "$SCRATCH/disk/file"; umount "$SCRATCH/disk"`)
    expect(found).toBe('old\nold\nnew\n')
  })

  test('a swap file is refused, for the kernel would write to it past the past', async () => {
    const place = new Workplace(await TestVolume.mounted())
    await place.sh('head -c 1M /dev/zero >swap; chmod 600 swap; mkswap -q swap')
    expect(await place.sh('LC_ALL=C swapon swap 2>&1 || true')).toContain('Invalid argument')
    await place.sh('rm swap')
  })
})
