import { chmodSync, existsSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { CliSandbox } from '../support/cli-sandbox.js'
import { run, succeed } from '../support/command.js'
import { cliPath } from '../support/requirements.js'

// The completion of the command line, by the shells themselves; and the manual page, by its formatters.

const typist = fileURLToPath(new URL('../support/typist.py', import.meta.url))

/** A mounted volume `o` with a snapshot that has some tags, and `bygone` in the PATH of its own. */
async function volume(): Promise<{ box: CliSandbox; name: string; env: NodeJS.ProcessEnv }> {
  const box = new CliSandbox()
  box.mk('o/file', 'bin/', 'spaced dir/')
  const program = box.path('bin/bygone')
  const asked = `printf '\\033]2;asked\\007' 2>/dev/null >/dev/tty`
  const script = `#!/bin/sh\n'${process.execPath}' '${cliPath}' "$@"\n{ ${asked}; } 2>/dev/null\n`
  writeFileSync(program, script)
  chmodSync(program, 0o755)
  await box.succeed('mount', './o')
  const tags = ['nightly', 'täg 1', 'manual:x'].flatMap((tag) => ['--tag', tag])
  const name = (await box.succeed('snapshot', './o', ...tags)).trim()
  const env = { ...process.env, PATH: `${box.path('bin')}:${process.env['PATH'] ?? ''}` }
  return { box, name, env: { ...env, LC_ALL: 'C.UTF-8', TERM: 'xterm', HOME: box.directory } }
}

/** What is typed behind `bygone ` before the Tab, and the arguments that the command then has. */
function expectations(name: string): [string, string][] {
  return [
    ['snap', 'snapshot'],
    ['list ./o @G', `list|./o|${name}`],
    ['list ./o tä', 'list|./o|täg 1'],
    ['list ./o tag:n', 'list|./o|tag:nightly'],
    ["list ./o 'first..ni", 'list|./o|first..nightly'],
    ['tag rm nightly -V ./o man', 'tag|rm|nightly|-V|./o|manual:'],
    ['mount spac', 'mount|spaced dir/'],
    ['mount --durability=st', 'mount|--durability=strict'],
    ["list ./o '$(touch evil)'", 'list|./o|$(touch evil)'],
  ]
}

const setups = {
  bash: 'source <(command bygone completion bash)',
  zsh: 'autoload -U compinit && compinit -u -D && source <(command bygone completion zsh)',
}

test.each([
  ['bash', ['bash', '--norc', '--noprofile', '-i']],
  ['zsh', ['zsh', '-f', '-i']],
] as const)('%s completes commands, options, snapshots, tags and paths', async (shell, command) => {
  const { box, name, env } = await volume()
  const expected = expectations(name)
  const show = `bygone() { local IFS='|'; printf '<given [%s]>\\n' "$*"; }`
  const order = {
    setup: `${setups[shell]}; ${show}`,
    typed: expected.map(([typed]) => typed),
  }
  const given = await succeed('python3', [typist, ...command], {
    cwd: box.directory,
    env,
    input: JSON.stringify(order),
    deadlineMs: 60_000,
  })
  expect(JSON.parse(given)).toEqual(expected.map(([, words]) => `[${words}]`))
  expect(existsSync(box.path('evil'))).toBe(false)
})

test('fish completes them too, and shows what they are', async () => {
  const { box, name, env } = await volume()
  const lines = ['snap', 'list ./o @G', 'list ./o tä', 'mount spac', 'mount --durability=st']
  const ask = lines.map((line) => `complete -C 'bygone ${line}'; echo END`)
  const script = ['bygone completion fish | source', ...ask].join('\n')
  const answers = await succeed('fish', ['--no-config', '-c', script], {
    cwd: box.directory,
    env,
  })
  expect(
    answers.split('END\n').map((answer) => answer.trim().replace(/\d\d\d\d-.*/, 'TIME')),
  ).toEqual([
    'snapshot\ttake a snapshot of a volume, or of several at one instant',
    `${name}\tTIME`,
    'täg 1\ttag',
    'spaced dir/',
    '--durability=strict',
    '',
  ])
})

test('the manual page is one that man, groff and mandoc have nothing to say against', async () => {
  const box = new CliSandbox()
  const page = await box.succeed('man')
  const input = { input: page }
  expect(await succeed('mandoc', ['-T', 'lint', '-W', 'warning'], input)).toBe('')
  const groff = await run('groff', ['-ww', '-z', '-man', '-Tutf8'], input)
  expect(groff).toMatchObject({ code: 0, stderr: '' })
  const text = await succeed('mandoc', ['-T', 'utf8', '-O', 'width=100'], input)
  // eslint-disable-next-line no-control-regex
  const plain = text.replace(/.\u0008/g, '')
  for (const words of [
    'bygone - gives any directory a past',
    'delete [options] <rev...>',
    '-V, --volume <volume>',
    'bygone delete first..5 && bygone gc',
    'tag remove, rm',
    `REV names snapshots: @GMT-..., a tag, latest`,
  ]) {
    expect(plain).toContain(words)
  }
})
