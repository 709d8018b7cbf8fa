import { SECOND } from '../../kernel/clock.ts'
import { messageOf } from '../../kernel/errors.ts'
import type { Log } from '../../kernel/log.ts'
import { isBusy } from './file.ts'
import type { EmbeddedStatements } from './statements.ts'

const SWEEP_INTERVAL = 30 * SECOND
/** Rows removed in one go: few enough that nobody waits for it. */
const SWEEP_BATCH = 500

/** Removes what is over, in the background, and keeps the latest time that was seen. Ends with `stop`. */
export function startSweeper(
  statements: Pick<EmbeddedStatements, 'sweepEntries' | 'sweepMembers' | 'remember'>,
  { now, log }: { now: () => number; log: Log },
): { stop(): void } {
  function sweep(): void {
    let removed = 0
    try {
      const time = now()
      removed = Math.max(
        Number(statements.sweepEntries.run(time, SWEEP_BATCH).changes),
        Number(statements.sweepMembers.run(time, SWEEP_BATCH).changes),
      )
      statements.remember.run(time)
    } catch (error) {
      // Expired rows are invisible anyway, and the next turn tries again.
      if (!isBusy(error)) log.warn('expired state could not be removed', { reason: messageOf(error) })
    }
    timer = setTimeout(sweep, removed < SWEEP_BATCH ? SWEEP_INTERVAL : SECOND).unref()
  }
  let timer = setTimeout(sweep, SWEEP_INTERVAL).unref()

  return { stop: () => clearTimeout(timer) }
}
