import { expect, test } from 'vitest'
import { describeMount } from '../support/requirements.js'
import { TestVolume } from '../support/test-volume.js'

const watch = `
watch = libc.inotify_init1(os.O_NONBLOCK)
checked(libc.inotify_add_watch(watch, raw(given['live']), 0x3c2))`

/** What has come: "mask name", in order. IN_MODIFY 2, MOVED_FROM 40, MOVED_TO 80, CREATE 100, DELETE 200. */
const collect = `
import struct
try:
    data, at, result = os.read(watch, 65536), 0, []
except BlockingIOError:
    data, at, result = b'', 0, []
while at < len(data):
    _, mask, _, length = struct.unpack_from('iIII', data, at)
    result.append('%x %s' % (mask, data[at + 16:at + 16 + length].rstrip(bytes(1)).decode()))
    at += 16 + length
os.close(watch)`

describeMount('inotify on the live tree', () => {
  test('tells of changes by other processes, and not of snapshots, which appear without an event', async () => {
    const volume = await TestVolume.mounted()
    const { live } = volume
    const script =
      'cd "$1"; echo text >file; mv file moved; rm moved; mkdir directory; rmdir directory'
    const command = [`sh`, '-ec', script, 'sh', live]
    const snapshot = [...volume.programCommand().split(' '), 'snapshot', live]
    const { ok, errno } = await volume.actor.python(
      `${watch}
subprocess.run(given['command'], check=True)
subprocess.run(given['snapshot'], check=True, stdout=subprocess.DEVNULL)
${collect}`,
      { live, command, snapshot },
    )
    expect(errno).toBeUndefined()
    const files = ['100 file', '2 file', '40 file', '80 moved', '200 moved']
    expect(ok).toEqual([...files, '40000100 directory', '40000200 directory'])
    expect(await volume.snapshots()).toHaveLength(1)
  })
})
