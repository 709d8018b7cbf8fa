import { setTimeout as pause } from 'node:timers/promises'
import { UnavailableError } from '../../kernel/errors.ts'
import { isBusy } from './file.ts'

/** Milliseconds to wait, off the event loop, before each further attempt. */
const RETRY_AFTER = [20, 50, 100]

/**
 * Runs an operation, again while another process holds the file; throws `UnavailableError` when it cannot be served.
 */
export async function run<R>(operation: () => R): Promise<R> {
  for (let attempt = 0; ; attempt++) {
    try {
      return operation()
    } catch (error) {
      const wait = RETRY_AFTER[attempt]
      if (!isBusy(error) || wait === undefined) throw new UnavailableError('sqlite', { cause: error })
      await pause(wait)
    }
  }
}
