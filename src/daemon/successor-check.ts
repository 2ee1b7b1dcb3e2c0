import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Failure } from '../base/failure.js'
import { sessionVersion } from '../view/session-records.js'

const answerMsMax = 20_000

/** What a daemon that is started with --can-succeed prints: whose sessions it could go on with. */
export const successorAnswer = `bygone session ${sessionVersion}`

/** Throws a Failure if the program as it is on the disk now could not go on with what this process serves. */
export async function checkSuccessor(): Promise<void> {
  const program = fileURLToPath(new URL('./main.js', import.meta.url))
  const args = [...process.execArgv, program, '--can-succeed']
  const answer = await new Promise<string>((resolve, reject) => {
    execFile(process.execPath, args, { timeout: answerMsMax }, (error, stdout, stderr) => {
      if (error === null) {
        resolve(stdout.trim())
        return
      }
      const words =
        stderr
          .trim()
          .split('\n')
          .find((line) => line.includes('Error')) ?? error.message
      const message = `the new program does not start, so the old one stays: ${words}`
      reject(new Failure('failed', message))
    })
  })
  if (answer === successorAnswer) return
  const advice = 'unmount and mount again to change over'
  throw new Failure('failed', `the new program can't go on with this one's sessions: ${advice}`)
}
