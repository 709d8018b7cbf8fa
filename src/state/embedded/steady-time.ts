import { type Clock, SECOND } from '../../kernel/clock.ts'
import type { Log } from '../../kernel/log.ts'

/** A clock that went back further than this is worth a line in the log (FA-8). */
const JUMP_ALARM = 5 * SECOND

/**
 * Time that never goes back: what was over stays over when the system's clock is set back (FA-8), and later times to
 * live still run at their pace, because the difference is added from then on.
 */
export function createSteadyTime({ clock, log, from }: { clock: Clock; log: Log; from: number }): () => number {
  let ahead = 0
  let last = from
  return () => {
    const time = clock.now() + ahead
    if (time >= last) {
      last = time
      return time
    }
    const back = last - time
    if (back > JUMP_ALARM) log.warn('the clock went back', { milliseconds: back })
    ahead += back
    return last
  }
}
