/** Ends a command with a code of its own: all has been said, and it is no failure of the command. */
export class ExitCode extends Error {
  readonly code: number

  constructor(code: number) {
    super(`exit code ${code}`)
    this.code = code
  }
}
