import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { PendingAnswers } from '../../src/daemon/pending-answers.js'
import {
  isPrivateDirectory,
  runtimeDirectories,
  storeSocket,
} from '../../src/daemon/runtime-directory.js'
import { Undo } from '../../src/daemon/undo.js'
import { Failure } from '../../src/base/failure.js'

const uid = process.geteuid?.() ?? 0

test('root has one runtime directory, whatever its environment', () => {
  expect(runtimeDirectories({ uid: 0, xdgRuntimeDirectory: '/x' })).toEqual(['/run/bygone'])
})

test("a user's runtime directory is XDG's if it is set, and always one that can be made", () => {
  const usual = ['/run/user/7/bygone', '/tmp/bygone-7']
  expect(runtimeDirectories({ uid: 7, xdgRuntimeDirectory: undefined })).toEqual(usual)
  expect(runtimeDirectories({ uid: 7, xdgRuntimeDirectory: '/x' })).toEqual(['/x/bygone', ...usual])
  expect(runtimeDirectories({ uid: 7, xdgRuntimeDirectory: '/run/user/7' })).toEqual(usual)
  expect(runtimeDirectories({ uid: 7, xdgRuntimeDirectory: 'relative' })).toEqual(usual)
})

test('a directory too long for a socket is left out, and the longest socket fits', () => {
  const usual = runtimeDirectories({ uid: 7, xdgRuntimeDirectory: undefined })
  const long = `/${'x'.repeat(90)}`
  expect(runtimeDirectories({ uid: 7, xdgRuntimeDirectory: long })).toEqual(usual)
  for (let length = 1; length < 90; length++) {
    const [first = ''] = runtimeDirectories({
      uid: 7,
      xdgRuntimeDirectory: `/${'x'.repeat(length)}`,
    })
    const longest = storeSocket(first, `${'f'.repeat(16)}-${'f'.repeat(16)}`)
    expect(Buffer.byteLength(longest)).toBeLessThanOrEqual(107)
  }
})

test('only a directory of that user that nobody else may enter is private', () => {
  const directory = mkdtempSync(join(tmpdir(), 'runtime-'))
  onTestFinished(() => {
    rmSync(directory, { recursive: true })
  })
  const path = join(directory, 'd')
  expect(isPrivateDirectory(path, uid)).toBe(false)
  mkdirSync(path, { mode: 0o700 })
  expect(isPrivateDirectory(path, uid)).toBe(true)
  expect(isPrivateDirectory(path, uid + 1)).toBe(false)
  symlinkSync('d', join(directory, 'link'))
  expect(isPrivateDirectory(join(directory, 'link'), uid)).toBe(false)
  chmodSync(path, 0o750)
  expect(isPrivateDirectory(path, uid)).toBe(false)
})

test('what was made is taken back newest first, all of it though a step fails', async () => {
  const undo = new Undo()
  const done: string[] = []
  undo.add(() => void done.push('first'))
  undo.add(() => {
    throw new Error('stuck')
  })
  undo.add(() => Promise.resolve(void done.push('last')))
  await undo.run((error) => done.push(String(error)))
  expect(done).toEqual(['last', 'Error: stuck', 'first'])
})

test('what was forgotten is not taken back', async () => {
  const undo = new Undo()
  undo.add(() => {
    throw new Error('not to be called')
  })
  undo.forget()
  await undo.run((error) => {
    throw error as Error
  })
})

test('an answer reaches the question of its key, and one that nobody waits for is dropped', async () => {
  const pending = new PendingAnswers()
  const [a, b] = [pending.expect<number>('a'), pending.expect<number>('b')]
  pending.answer('b', 2)
  pending.answer('c', 3)
  pending.answer('a', 1)
  expect(await Promise.all([a, b])).toEqual([1, 2])
})

test('a question that is not answered in time fails, and a late answer is dropped', async () => {
  const pending = new PendingAnswers()
  await expect(pending.expect('a', 5)).rejects.toThrow('no answer')
  pending.answer('a', 1)
})

test('when nobody will answer any more, every question fails, later ones too', async () => {
  const pending = new PendingAnswers()
  const earlier = pending.expect('a')
  pending.refuseAll(new Failure('failed', 'gone'))
  await expect(earlier).rejects.toThrow('gone')
  await expect(pending.expect('b')).rejects.toThrow('gone')
})
