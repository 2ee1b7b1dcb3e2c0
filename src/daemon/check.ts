import { native } from '../base/native.js'
import { Failure } from '../base/failure.js'
import type { CheckOutcome, CheckSink } from './check-report.js'
import { checkVolume, type CheckOptions } from './volume-check-run.js'
import { findVolume, staleFailure } from './volume-finder.js'

/** Checks the volume that a user means; what is found goes to `sink` as it comes. */
export async function check(
  text: string | undefined,
  options: CheckOptions,
  sink: CheckSink,
): Promise<CheckOutcome> {
  const found = await findVolume(text)
  switch (found.state) {
    case 'mounted': {
      const { origin } = found.summary
      found.client.close()
      throw new Failure('failed', `${origin} is mounted: \`bygone unmount\` it, then check it`)
    }
    case 'stale':
      throw staleFailure(found.entry)
    case 'unmounted':
      return checkVolume(native(), found, options, sink)
  }
}
