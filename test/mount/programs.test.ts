import { expect, test } from 'vitest'
import { describeMount } from '../support/requirements.js'
import { workplace } from '../support/workplace.js'

const transports = ['native', 'fuse-native'] as const

describeMount('programs on the live mount', () => {
  test.each(transports)(
    'git clones, commits, collects garbage and checks (%s)',
    async (transport) => {
      const place = await workplace(transport)
      await place.sh(
        `
      git config --global user.email a@example.org; git config --global user.name A
      git config --global init.defaultBranch main
      mkdir "$SCRATCH"; git init -q "$SCRATCH/source"; cd "$SCRATCH/source"
      for commit in $(seq 20); do
        for file in $(seq 15); do echo "$commit $file" >>"file-$file"; done
        git add . ; git commit -qm "commit $commit"
      done`,
        place.volume.directory,
      )
      await place.sh('git clone -q "$SCRATCH/source" clone; cd clone; git checkout -qb work')
      const look =
        'git -C clone -c safe.directory=* log --format=%H --all; ls clone; cat clone/file-*'
      const before = await place.snapshotLooksLike(look)
      const wanted = await place.sh(look, before)
      await place.sh(`cd clone
      for n in $(seq 10); do echo $n >>file-1; git commit -qam $n; done
      git gc -q --aggressive --prune=now; git fsck --strict; rm file-2; git mv file-3 moved; git stash -q`)
      expect(await place.sh(look, before)).toBe(wanted)
      await place.sh('git -C clone -c safe.directory=* fsck --strict', before)
    },
  )

  test.each(transports)(
    'npm ci installs from a lock file and a local package (%s)',
    async (transport) => {
      const place = await workplace(transport)
      await place.sh(`
      mkdir package project
      cd package
      echo '{ "name": "greeter", "version": "1.0.0", "main": "index.js", "bin": "cli.js" }' >package.json
      echo 'module.exports = "hello"' >index.js
      printf '#!/usr/bin/env node\\nconsole.log(require("greeter"))\\n' >cli.js
      for n in $(seq 200); do mkdir -p lib/$((n % 10)); echo "module.exports = $n" >lib/$((n % 10))/$n.js; done
      npm pack --silent >/dev/null
      cd ../project
      echo '{ "name": "project", "version": "1.0.0", "dependencies": { "greeter": "file:../package/greeter-1.0.0.tgz" } }' >package.json
      npm install --offline --package-lock-only --no-audit --no-fund --silent
      npm ci --offline --no-audit --no-fund --silent`)
      const look =
        'cd project; node -p "require(\'greeter\')"; node_modules/.bin/greeter; find node_modules | sort'
      const snapshot = await place.snapshotLooksLike(look)
      const wanted = await place.sh(look, snapshot)
      expect(wanted).toContain('hello\nhello\n')
      await place.sh(
        'cd project; npm ci --offline --no-audit --no-fund --silent; rm -rf node_modules',
      )
      expect(await place.sh(look, snapshot)).toBe(wanted)
    },
  )

  test.each(transports)(
    'make -j builds a C program of 60 files, anew and in part (%s)',
    async (transport) => {
      const place = await workplace(transport)
      await place.sh(`mkdir c; cd c
      for n in $(seq 60); do printf '#include "all.h"\\nint f%d(void) { return %d; }\\n' $n $n >f$n.c; done
      for n in $(seq 60); do echo "int f$n(void);"; done >all.h
      { printf '#include <stdio.h>\\n#include "all.h"\\nint main(void) { int sum = 0;\\n'
        for n in $(seq 60); do echo "sum += f$n();"; done; echo 'printf("%d", sum); }'; } >main.c
      printf 'objects = $(patsubst %%.c,%%.o,$(wildcard *.c))\\nprogram: $(objects)\\n\\tgcc -o $@ $^\\n%%.o: %%.c all.h\\n\\tgcc -c -o $@ $<\\n' >Makefile
      make -s -j4; test "$(./program)" = 1830`)
      const look = 'cd c; sha256sum * | sort; ./program; stat -c "%n %Y" *'
      const snapshot = await place.snapshotLooksLike(look)
      const wanted = await place.sh(look, snapshot)
      await place.sh(`cd c; sleep 1.1; printf '#include "all.h"\\nint f1(void) { return 101; }\\n' >f1.c
      test "$(make -j4 | grep -c 'gcc -c')" = 1; test "$(./program)" = 1930; make -q; make -n | grep -q 'up to date'
      touch all.h; make -s -j4; rm -f *.o program`)
      expect(await place.sh(look, snapshot)).toBe(wanted)
    },
  )

  // Its shared memory file is mapped by all that use the database at the same time.
  test('sqlite3 keeps a database with a write-ahead log whole, live and in snapshots', async () => {
    const place = await workplace('native')
    await place.sh(
      `sqlite3 data.db 'PRAGMA journal_mode=WAL; CREATE TABLE numbers (n INTEGER);' >/dev/null`,
    )
    const writer = place.sh(`
      for round in $(seq 60); do
        echo "BEGIN; INSERT INTO numbers VALUES ($round); INSERT INTO numbers VALUES (-$round); COMMIT;"
      done | sqlite3 -cmd '.timeout 20000' data.db`)
    const second = place.sh(`
      for round in $(seq 15); do
        sqlite3 -cmd '.timeout 20000' data.db "INSERT INTO numbers VALUES (1000); INSERT INTO numbers VALUES (-1000);"
      done`)
    const names: string[] = []
    for (let count = 0; count < 5; count++) names.push(await place.volume.snapshot())
    await Promise.all([writer, second])
    names.push(await place.volume.snapshot())
    const counts: number[] = []
    for (const name of names) {
      const text = await place.sh(
        `rm -rf "$SCRATCH"; mkdir "$SCRATCH"; cp -a data.db* "$SCRATCH"
        cd "$SCRATCH"; sqlite3 data.db 'PRAGMA integrity_check; SELECT sum(n) FROM numbers WHERE abs(n) < 1000; SELECT count(*) FROM numbers;'`,
        place.volume.snapshotPath(name),
      )
      const [check, sum, count] = text.trim().split('\n')
      expect(check, name).toBe('ok')
      // Both rows of a transaction, or none.
      expect(Number(sum), name).toBe(0)
      counts.push(Number(count))
    }
    expect(counts).toEqual([...counts].sort((a, b) => a - b))
    expect(counts.at(-1)).toBe(150)
    expect(
      await place.sh('sqlite3 data.db "PRAGMA integrity_check; SELECT count(*) FROM numbers"'),
    ).toBe('ok\n150\n')
  })

  const makingEverything = `
    mkdir -p tree/sub/empty; cd tree
    head -c 300000 /dev/urandom >random; cp random sub/copy; ln random hard; ln -s random symlink; ln -s /nowhere dangling
    truncate -s 10M sparse; printf x | dd of=sparse bs=1 seek=5000000 conv=notrunc status=none
    mkfifo fifo; mknod null c 1 3; mknod disk b 7 200
    chown 1234:77 sub/copy; chmod 4755 sub/copy; chmod 1777 sub/empty
    setfattr -n user.mark -v value random; setfattr -n user.mark -v dir sub; setfattr -n trusted.mark -v t sub/copy
    setfacl -m u:65534:rw hard sub; setfacl -d -m g:77:rx sub
    touch -hd '1966-05-04 03:02:01.123456789 UTC' symlink random sub/copy fifo; touch -d '2100-01-01 00:00:00.987654321 UTC' sub sub/empty`

  test('rsync -aHAX brings a tree with everything in, and finds no difference there or in a snapshot', async () => {
    const place = await workplace('native')
    await place.sh('mkdir -p "$SCRATCH"; cd "$SCRATCH"' + makingEverything)
    await place.sh('rsync -aHAX "$SCRATCH/tree/" copy/')
    const compare = 'rsync -aHAXn --delete --itemize-changes "$SCRATCH/tree/"'
    expect(await place.sh(`${compare} copy/`)).toBe('')
    const snapshot = place.volume.snapshotPath(await place.volume.snapshot())
    expect(await place.sh(`${compare} ${snapshot}/copy/`)).toBe('')
    await place.sh(`cd copy; rm hard; chmod 600 random; setfattr -x user.mark sub; setfacl -b sub; mv sub moved
      echo more >>sparse; ln -sfn elsewhere symlink; rm null; touch fifo; chown 5:5 moved/copy`)
    expect(await place.sh(`${compare} ${snapshot}/copy/`)).toBe('')
    await place.volume.killAndMount()
    expect(await place.sh(`${compare} ${snapshot}/copy/`)).toBe('')
    expect(await place.sh(`rsync -aHAX --delete ${snapshot}/copy/ copy/; ${compare} copy/`)).toBe(
      '',
    )
  })

  test('tar, cp -a, diff -r, grep -r and find agree on a snapshot and what was live at its cut', async () => {
    const place = await workplace('native')
    await place.sh(makingEverything)
    await place.sh(`for n in $(seq 300); do mkdir -p many/$((n % 7))/$((n % 3)); echo "needle $n" >many/$((n % 7))/$((n % 3))/$n; done
      mkdir "$SCRATCH"; tar --xattrs --acls -cf "$SCRATCH/all.tar" tree many; cp -a tree many "$SCRATCH"`)
    const look = `grep -r needle many | sort; find tree many -printf '%p %y %m %U:%G %s %n %T@ %l\\n' | sort; du -s --apparent-size tree/sparse`
    const snapshot = await place.snapshotLooksLike(look)
    const wanted = await place.sh(look, snapshot)
    await place.sh(
      'rm -rf many/1 many/2; mv many/3 many/4/; rm tree/random; echo x >tree/sparse; find many -type f -exec sh -c "echo new >>$1" _ {} \\;',
    )
    expect(await place.sh(look, snapshot)).toBe(wanted)
    expect(await place.sh('tar --xattrs --acls -df "$SCRATCH/all.tar"', snapshot)).toBe('')
    expect(
      await place.sh(
        'diff -r --no-dereference "$SCRATCH/many" many; diff -r --no-dereference -x fifo -x null -x disk "$SCRATCH/tree" tree',
        snapshot,
      ),
    ).toBe('')
    expect(
      await place.sh(
        `mkdir "$SCRATCH/out"; cp -a tree many "$SCRATCH/out/"
      cd "$SCRATCH"; rsync -aHAXn --delete -i tree many out/; du -s out/tree/sparse | cut -f1`,
        snapshot,
      ),
    ).toBe('4\n')
  })

  test('tar, cp and diff work over fuse-native', async () => {
    const place = await workplace('fuse-native')
    await place.sh(`for n in $(seq 100); do mkdir -p many/$((n % 7)); echo "needle $n" >many/$((n % 7))/$n; done
      mkdir "$SCRATCH"; tar -cf "$SCRATCH/all.tar" many; cp -a many "$SCRATCH"`)
    const look = "grep -r needle many | sort; find many -printf '%p %y %m %U:%G %s\\n' | sort"
    const snapshot = await place.snapshotLooksLike(look)
    await place.sh(
      'rm -rf many/1; mv many/2 many/3/; echo x >many/4/4; tar -xf "$SCRATCH/all.tar" many/1',
    )
    expect(
      await place.sh(
        'diff -r "$SCRATCH/many" many; cp -a many "$SCRATCH/out"; diff -r many "$SCRATCH/out"',
        snapshot,
      ),
    ).toBe('')
  })
})
