import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Failure } from '../../src/base/failure.js'
import { parseReply, parseRequest } from '../../src/daemon/control-protocol.js'
import { Catalog } from '../../src/store/catalog.js'
import { realDisk } from '../../src/store/real-disk.js'
import { Sessions } from '../../src/store/sessions.js'
import { readVolumeMarker } from '../../src/store/volume-marker.js'
import { VolumeStore } from '../../src/store/volume-store.js'
import { fuzz, fuzzSeed } from '../support/fuzz.js'
import { resealed } from '../support/sealed-file.js'

// Goal: each file of a store, whatever stands in its place, is taken as what it should be or refused by a
// Failure that says so: no other error, no wait, no memory without bound.
// Method: the documents are those of a real store with parts of them exchanged, and bytes at random;
// instead of each file lies each kind of thing that is no such file.

const id = '0123456789abcdef'
const snapshot = (label: number, tags: string[]) => ({
  name: `@GMT-1970.01.01-00.00.0${label}`,
  ...{ label, timeSec: label, cutAtMs: label * 1000, memo: 'a memo', tags, isHeld: false },
})
const documents = {
  catalog: {
    ...{ format: 'bygone-catalog', version: 4, storeId: id },
    volumes: [
      {
        ...{ id, name: 'docs', origin: '/srv/docs', kind: 'tree', chunkBytes: 65536 },
        ...{
          createdAtMs: 5,
          labelLast: 3,
          timeLastSec: 3,
          isUnswept: true,
          policy: null,
          schedules: [],
        },
        ...{ snapshots: [snapshot(1, ['x']), snapshot(2, [])] },
      },
    ],
  },
  sessions: {
    ...{ format: 'bygone-sessions', version: 1, bootId: 'boot', closedAt: '7.000000001' },
    gaps: [{ start: '1.000000000', end: '2.000000000', label: 1 }],
  },
  marker: {
    ...{ format: 'bygone-volume', version: 1, volumeId: id, storeId: id, storePath: null },
    ...{ originIno: 2, originBirth: '3.000000000' },
  },
  request: {
    command: 'mount',
    order: {
      ...{ origin: '/a', mountPoint: '/a', store: '/s', name: 'n', chunkBytes: 4096 },
      ...{ transport: 'native', durability: 'strict', allowOther: false },
    },
    ...{ volumes: ['x'], volume: 'x', memo: '', tags: ['t'], force: true },
  },
}

const odd = fc.oneof(
  fc.constantFrom<unknown>(null, true, -1, 0, 1.5, 2 ** 53, 1e308, '', '/', '..', 'a\0b', [], {}),
  fc.constantFrom<unknown>('@GMT-9999.99.99-99.99.99', id, '-1.000000000', ['x', 'x'], {
    __proto__: 1,
  }),
  fc.jsonValue({ maxDepth: 3 }),
)

/** The document with some of its values, at any depth, exchanged, taken away or added. */
function changed(document: unknown): fc.Arbitrary<unknown> {
  const places: (string | number)[][] = []
  const visit = (value: unknown, path: (string | number)[]): void => {
    places.push(path)
    if (typeof value !== 'object' || value === null) return
    for (const [key, each] of Object.entries(value)) visit(each, [...path, key])
  }
  visit(document, [])
  const change = fc.record({
    path: fc.constantFrom(...places),
    how: fc.constantFrom('exchange', 'remove', 'add'),
    value: odd,
  })
  return fc.array(change, { minLength: 1, maxLength: 3 }).map((changes) => {
    let result: unknown = structuredClone(document)
    for (const { path, how, value: drawn } of changes) {
      // A copy: what is drawn more than once could come to stand in itself.
      const value = structuredClone(drawn)
      if (path.length === 0) {
        if (how === 'exchange') result = value
        continue
      }
      let at: unknown = result
      for (const step of path.slice(0, -1))
        at = (at as Record<string, unknown> | null | undefined)?.[step]
      if (typeof at !== 'object' || at === null) continue
      const holder = at as Record<string, unknown>
      const last = String(path.at(-1))
      if (how === 'exchange') holder[last] = value
      else if (how === 'remove') Reflect.deleteProperty(holder, last)
      else holder[`${last}x`] = value
    }
    return result
  })
}

const bytesOf = (document: unknown): fc.Arbitrary<Buffer> => {
  const text = fc
    .oneof(changed(document), fc.constant(document))
    .map((each) => JSON.stringify(each))
  const whole = text.map((each) => Buffer.from(each))
  return fc.oneof(
    { weight: 6, arbitrary: whole },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 50 }).map((each) => Buffer.from(each)) },
    {
      weight: 1,
      arbitrary: fc.tuple(whole, fc.nat(), fc.nat(255)).map(([all, at, byte]) => {
        all[at % all.length] = byte
        return all
      }),
    },
    {
      weight: 1,
      arbitrary: fc.constantFrom('[', '{"a":').map((each) => Buffer.from(each.repeat(50_000))),
    },
  )
}

/** What it comes to: done, or the Failure's kind. */
function outcome(work: () => void): string {
  try {
    work()
    return 'done'
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    return error.kind
  }
}

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'bygone-documents-'))
  mkdirSync(join(directory, '.bygone'))
})
afterEach(() => {
  rmSync(directory, { recursive: true, force: true })
})

function readMarker(): void {
  const fd = openSync(directory, 'r')
  try {
    readVolumeMarker(fd)
  } finally {
    closeSync(fd)
  }
}

const readers = {
  catalog: { file: 'catalog.json', read: () => void Catalog.open(directory, { create: false }) },
  sessions: { file: 'sessions.json', read: () => void Sessions.open(realDisk, directory, 'boot') },
  marker: { file: '.bygone/volume.json', read: readMarker },
}

describe(`documents by somebody hostile (BYGONE_SEED=${fuzzSeed})`, () => {
  test.each(['catalog', 'sessions', 'marker'] as const)(
    'the %s document is read or refused',
    (kind) => {
      const { file, read } = readers[kind]
      const seen = new Set<string>()
      fuzz(
        fc.property(bytesOf(documents[kind]), (bytes) => {
          writeFileSync(
            join(directory, file),
            kind === 'marker' ? bytes : resealed(bytes.toString('utf8')),
          )
          seen.add(outcome(read))
        }),
      )
      expect([...seen]).toEqual(expect.arrayContaining(['done', 'damaged']))
    },
  )

  test('a control message is a request or refused', () => {
    const seen = new Set<string>()
    fuzz(
      fc.property(bytesOf(documents.request), (bytes) => {
        seen.add(outcome(() => void parseRequest(bytes.toString('utf8'))))
        outcome(() => void parseReply(bytes.toString('utf8')))
      }),
    )
    expect([...seen].sort()).toEqual(['done', 'usage'])
  })
})

const sparseBytes = 2 ** 40

/** Each kind of thing that is no file or no directory of the store's, and what may be made anew in its place. */
const things: [string, (path: string) => void][] = [
  ['a pipe', (path) => void execFileSync('mkfifo', [path])],
  [
    'a link to a file',
    (path) => {
      symlinkSync(join(directory, 'elsewhere', 'file'), path)
    },
  ],
  [
    'a link to a directory',
    (path) => {
      symlinkSync(join(directory, 'elsewhere'), path)
    },
  ],
  [
    'a link in a circle',
    (path) => {
      symlinkSync(path, path)
    },
  ],
  [
    'a file of a terabyte of zeros',
    (path) => {
      writeFileSync(path, '')
      truncateSync(path, sparseBytes)
    },
  ],
]

describe('in the place of a file of the store', () => {
  const open = () => {
    VolumeStore.open({ directory: join(directory, 'volume'), durability: 'ordered' }).close()
  }
  const files: [string, () => void][] = [
    ...Object.values(readers).map(({ file, read }): [string, () => void] => [file, read]),
    ...['sessions.json', 'lock', 'journal', 'journal/00000001.seg', 'journal/00000002.seg'].map(
      (file): [string, () => void] => [`volume/${file}`, open],
    ),
    ...['index', 'index/state', 'index/data.mdb'].map((file): [string, () => void] => [
      `volume/${file}`,
      open,
    ]),
  ]

  test.each(things)(
    '%s is refused, or replaced where it is derived, and never followed',
    (what, make) => {
      mkdirSync(join(directory, 'elsewhere'))
      writeFileSync(join(directory, 'elsewhere', 'file'), 'of somebody else')
      for (const [file, use] of files) {
        rmSync(join(directory, 'volume'), { recursive: true, force: true })
        open()
        rmSync(join(directory, file), { recursive: true, force: true })
        make(join(directory, file))
        const said = outcome(use)
        const isDerived = file.endsWith('/data.mdb')
        const isOfNoConsequence = file.endsWith('/lock') && what.startsWith('a file')
        if (!isDerived && !isOfNoConsequence) expect([file, said]).not.toEqual([file, 'done'])
        rmSync(join(directory, file), { recursive: true, force: true })
      }
      expect(readdirSync(join(directory, 'elsewhere'))).toEqual(['file'])
      expect(readFileSync(join(directory, 'elsewhere', 'file'), 'utf8')).toBe('of somebody else')
    },
  )
})
