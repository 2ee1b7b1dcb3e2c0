import type { Operation } from './actor.js'
import type { Step } from './oracle.js'

const chunk = 4096

/** The kernel's flags of renameat2. */
const noReplace = 1
const exchange = 2
const whiteout = 4

/**
 * A few operations below a directory of their own that go through every step which changes anything:
 * with chunks of 4 KiB and segments of `segmentBytes` all fault points that a mounted volume has. What
 * is left of the story before is removed first.
 */
export function killStory(number: number, seed: number): Step[] {
  const directory = `story-${number}`
  const at = (name: string) => `${directory}/${name}`
  const create = (name: string, length: number): Operation => ({
    do: 'create',
    path: at(name),
    mode: 0o644,
    seed: seed + name.length,
    length,
  })
  const mkdir = (name: string): Operation => ({ do: 'mkdir', path: at(name), mode: 0o755 })
  const rename = (from: string, to: string, flags = 0): Operation => ({
    do: 'rename',
    from: at(from),
    to: at(to),
    flags,
  })
  const unlink = (name: string): Operation => ({ do: 'unlink', path: at(name) })
  return [
    { do: 'rmtree', path: `story-${number - 1}` },
    { do: 'mkdir', path: directory, mode: 0o755 },
    ...['full', 'full/below', 'moved', 'replaced'].map(mkdir),
    create('written', 9 * chunk),
    create('cut', 6 * chunk + 7),
    create('punched', 5 * chunk),
    create('replaced-file', 3 * chunk),
    create('full/file', 100),
    create('full/below/file', chunk),
    { do: 'link', from: at('written'), to: at('full/other-name') },
    { do: 'symlink', path: at('symlink'), target: 'written' },
    { do: 'mknod', path: at('fifo'), mode: 0o010640, rdev: 0 },
    { do: 'setxattr', path: at('cut'), name: 'user.kept', value: 'before', flags: 0 },
    'snapshot',
    { do: 'write', path: at('written'), offset: 2 * chunk - 5, seed, length: 3 * chunk },
    { do: 'truncate', path: at('cut'), size: chunk + 9 },
    { do: 'fallocate', path: at('punched'), mode: 3, offset: chunk, length: 2 * chunk },
    { do: 'chmod', path: at('full'), mode: 0o711 },
    { do: 'setxattr', path: at('cut'), name: 'user.kept', value: 'after', flags: 0 },
    { do: 'removexattr', path: at('cut'), name: 'user.kept' },
    rename('cut', 'full/renamed', noReplace),
    rename('punched', 'replaced-file'),
    rename('moved', 'replaced'),
    rename('full/file', 'symlink', exchange),
    rename('fifo', 'elsewhere', whiteout),
    { do: 'replace', path: at('written'), temporary: at('.tmp~'), seed: seed + 1, length: 700 },
    unlink('full/other-name'),
    unlink('full/below/file'),
    { do: 'rmdir', path: at('full/below') },
    { do: 'tmpfile', path: at('linked-later'), directory: at('full'), seed, length: 5000 },
    'snapshot',
    { do: 'rewrite', path: at('replaced-file'), seed: seed + 2, length: 2 * chunk },
    { do: 'write', path: at('full/renamed'), offset: 0, seed: seed + 3, length: 6 * chunk },
    create('born', 2 * chunk),
    { do: 'write', path: at('born'), offset: 100, seed: seed + 4, length: chunk },
    unlink('born'),
    'delete',
    // What only that one needs are whole stretches of the journal.
    'delete oldest',
    'sweep',
    { do: 'rmtree', path: at('full') },
  ]
}

/** Small enough for a story to fill one and begin the next. */
export const segmentBytes = 40 * 1024
