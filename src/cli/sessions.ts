import type { Installation } from '../app/installation.ts'
import { sessionsOf } from '../mfa/session/session-proofs.ts'
import type { Sessions } from '../mfa/session/sessions.ts'
import { say } from './output.ts'

/**
 * The sessions of an installation whose gateways run elsewhere. Each call works on them as the gateway does, and waits
 * until relying parties have been told; one that cannot be reached is a warning, because the session has ended all the
 * same (LO-5).
 */
export function sessionsOfInstallation(installation: Installation): Sessions {
  return {
    list: (account) => withEngine(installation, (sessions) => sessions.list(account)),
    end: (accountId, id) => withEngine(installation, (sessions) => sessions.end(accountId, id)),
    async endAll(accountId, options) {
      // Building the engine takes time: it is not built for somebody who has no session.
      const kept = await installation.state.indexList(sessionsOf(accountId))
      if (kept.length === 0) return 0
      return withEngine(installation, (sessions) => sessions.endAll(accountId, options))
    },
  }
}

async function withEngine<T>(installation: Installation, work: (sessions: Sessions) => Promise<T>): Promise<T> {
  const { openSessions } = await import('../app/engine.ts')
  const { sessions, unreached } = await openSessions(installation)
  const result = await work(sessions)
  for (const client of await unreached()) {
    say(`stepgate: client "${client}" could not be told that sessions have ended`)
  }
  return result
}
