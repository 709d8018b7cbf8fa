import type { RequestListener } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import type { Log } from '../kernel/log.ts'
import type { SetupDecisionStore } from '../mfa/policy/setup-decision-store.ts'

/** Milliseconds that a gateway whose set-up waits at least leaves between two looks whether somebody has answered. */
const PAUSE = 200
/** What does not depend on it. */
const SERVED_ALWAYS = /^\/(livez|readyz|assets\/)/
/**
 * The pages of set-up themselves are right also a moment too late: the store has the last word, and the last page is
 * the same.
 */
const SETUP = /^\/setup\b/

export interface SetupLookParts {
  /** Whether set-up waits, as far as this process knows. */
  waits(): boolean
  /** Somebody has answered. */
  answered(): Promise<void>
  serve: RequestListener
}

/**
 * Set-up may be finished by another process; the request that finds out is served already. Each request has a look that
 * begins after it came: nobody who was sent here from the last page is told that set-up is not finished. Those who come
 * between two share the next.
 */
export function createSetupLook(
  { setupDecisions, log }: { setupDecisions: Pick<SetupDecisionStore, 'get'>; log: Log },
  { waits, answered, serve }: SetupLookParts,
): { handler: RequestListener } {
  let lookedAt = Number.NEGATIVE_INFINITY
  let nextLook: Promise<void> | undefined

  async function look(): Promise<void> {
    try {
      if ((await setupDecisions.get()) !== undefined) await answered()
    } catch (error) {
      log.warn('whether set-up is finished could not be found out', { error })
    }
  }

  function looked(): Promise<void> {
    nextLook ??= pause(Math.max(0, lookedAt + PAUSE - performance.now())).then(() => {
      nextLook = undefined
      lookedAt = performance.now()
      return look()
    })
    return nextLook
  }

  const handler: RequestListener = (request, response) => {
    const { url = '' } = request
    const late = performance.now() - lookedAt < PAUSE && SETUP.test(url)
    if (!waits() || late || SERVED_ALWAYS.test(url)) return serve(request, response)
    looked()
      .then(() => serve(request, response))
      .catch((error) => {
        log.error('a request failed', { error })
        response.destroy()
      })
  }
  return { handler }
}
