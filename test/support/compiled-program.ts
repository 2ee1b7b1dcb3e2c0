import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { temporaryPrefix } from './leftovers.js'

const repository = fileURLToPath(new URL('../..', import.meta.url))

/**
 * TypeScript of this repository as JavaScript in a directory of its own, for programs that a test
 * starts: Node 20 runs no TypeScript, and `dist` holds nothing of test/.
 */
export class CompiledProgram {
  readonly directory = mkdtempSync(join(tmpdir(), temporaryPrefix()))

  /** `folders` with all below them. */
  constructor(folders: readonly string[]) {
    for (const folder of folders) {
      for (const name of readdirSync(join(repository, folder), {
        recursive: true,
        encoding: 'utf8',
      })) {
        if (name.endsWith('.ts')) this.#compile(join(folder, name))
      }
    }
    for (const shared of ['node_modules', 'native', 'package.json']) {
      symlinkSync(join(repository, shared), join(this.directory, shared))
    }
  }

  /** Where the JavaScript of a source file is. */
  path(file: string): string {
    return join(this.directory, file.replace(/\.ts$/, '.js'))
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true })
  }

  #compile(file: string): void {
    const fileName = join(repository, file)
    const { outputText } = ts.transpileModule(readFileSync(fileName, 'utf8'), {
      fileName,
      compilerOptions: {
        target: ts.ScriptTarget.ES2023,
        module: ts.ModuleKind.ESNext,
        verbatimModuleSyntax: true,
        inlineSourceMap: true,
      },
    })
    mkdirSync(dirname(this.path(file)), { recursive: true })
    writeFileSync(this.path(file), outputText)
  }
}
