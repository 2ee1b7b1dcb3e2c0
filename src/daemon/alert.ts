import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { Failure } from '../base/failure.js'

const msMax = 10_000

export interface Alert {
  state: string
  /** The line that says what is wrong. */
  message: string
}

/**
 * Tells somebody: POSTs the alert as JSON to an http or https URL, or runs a program with the state and the line as its
 * arguments. No shell sees them. Throws Failure if that fails or takes longer than ten seconds.
 */
export async function sendAlert(target: string, alert: Alert): Promise<void> {
  try {
    if (/^https?:\/\//i.test(target)) await post(target, alert)
    else await promisify(execFile)(target, [alert.state, alert.message], { timeout: msMax })
  } catch (error) {
    const why = error instanceof Error ? (error.cause ?? error) : error
    const words = why instanceof Error ? why.message : String(why)
    throw new Failure('failed', `${target} could not be told: ${words}`, { cause: error })
  }
}

async function post(url: string, alert: Alert): Promise<void> {
  const { ok, status } = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ format: 'bygone-alert', version: 1, ...alert }),
    signal: AbortSignal.timeout(msMax),
  })
  if (!ok) throw new Error(`it answered ${status}`)
}
