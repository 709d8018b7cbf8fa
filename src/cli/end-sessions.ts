import type { Installation } from '../app/installation.ts'
import { sessionsOf } from '../mfa/session/session-proofs.ts'
import type { Sessions } from '../mfa/session/sessions.ts'
import { say } from './output.ts'

/**
 * Works on the sessions of an account as the gateway does, and waits until relying parties have been told. Who cannot be reached is a
 * warning: the session has ended all the same (LO-5).
 */
export async function withSessions<T>(
  installation: Installation,
  work: (sessions: Sessions) => Promise<T>,
): Promise<T> {
  const { openSessions } = await import('../app/engine.ts')
  const { sessions, unreached } = await openSessions(installation)
  const result = await work(sessions)
  for (const client of await unreached()) {
    say(`stepgate: client "${client}" could not be told that sessions have ended`)
  }
  return result
}

/** Ends everything that an account is signed in to; answers how many sessions there were. */
export async function endAllSessions(installation: Installation, accountId: string): Promise<number> {
  // The engine is not built for somebody who has not signed in for days.
  const kept = await installation.state.indexList(sessionsOf(accountId))
  return kept.length === 0 ? 0 : withSessions(installation, (sessions) => sessions.endAll(accountId))
}
