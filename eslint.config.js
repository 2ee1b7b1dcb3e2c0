import js from '@eslint/js'
import { defineConfig } from 'eslint/config'
import ts from 'typescript-eslint'

// The arrows of src/README.md, enforced: a layer may import those it names here,
// and nothing else of ours. Wiring happens in daemon/ alone.
const mayImport = {
  base: [],
  version: ['base'],
  store: ['base', 'version'],
  volume: ['base', 'version', 'store'],
  fuse: ['base'],
  restore: ['base'],
  view: ['base', 'version', 'store', 'volume', 'fuse'],
  daemon: ['base', 'version', 'store', 'volume', 'view', 'fuse', 'restore'],
  cli: ['base', 'daemon'],
}

const layers = Object.keys(mayImport)
const layerRules = Object.entries(mayImport).map(([layer, allowed]) => ({
  files: [`src/${layer}/**/*.ts`],
  rules: {
    'no-restricted-imports': [
      'error',
      {
        patterns: layers
          .filter((other) => other !== layer && !allowed.includes(other))
          .map((other) => ({
            group: [`**/${other}/**`],
            message: `src/${layer} must not know src/${other} (src/README.md).`,
          })),
      },
    ],
  },
}))

// What view/ takes from fuse/ is the FileSystem interface that it implements, not the protocol.
const viewKnowsOnlyTheInterface = {
  files: ['src/view/**/*.ts'],
  rules: {
    '@typescript-eslint/no-restricted-imports': [
      'error',
      {
        patterns: [
          {
            group: ['**/fuse/**', '!**/fuse/file-system.js'],
            message: 'view/ implements FileSystem only.',
          },
        ],
      },
    ],
  },
}

// What reaches the disk by another way is lost on the simulated one, and to its crashes.
const storeReachesTheDiskByDisk = {
  files: ['src/store/**/*.ts'],
  ignores: ['src/store/real-disk.ts', 'src/store/lmdb-*.ts'],
  rules: {
    '@typescript-eslint/no-restricted-imports': [
      'error',
      { paths: [{ name: 'node:fs', message: 'store/ does its I/O through Disk (disk.ts).' }] },
    ],
  },
}

export default defineConfig(
  { ignores: ['dist', 'native/build', 'coverage'] },
  js.configs.recommended,
  ts.configs.strictTypeChecked,
  ts.configs.stylisticTypeChecked,
  { languageOptions: { parserOptions: { projectService: true } } },
  {
    rules: {
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/consistent-type-definitions': ['error', 'interface'],
    },
  },
  ...layerRules,
  viewKnowsOnlyTheInterface,
  storeReachesTheDiskByDisk,
  {
    files: ['src/**/*.ts'],
    ignores: ['src/cli/**'],
    rules: { 'no-console': 'error' },
  },
  {
    files: ['**/*.js', '**/*.mjs'],
    extends: [ts.configs.disableTypeChecked],
    languageOptions: { globals: { process: 'readonly', console: 'readonly' } },
  },
)
