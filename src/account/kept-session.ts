import type { Account } from '../accounts/account.ts'
import type { Clock } from '../kernel/clock.ts'
import { aliveFor, type SessionProofRecords } from '../mfa/session/session-proofs.ts'
import type { Sessions } from '../mfa/session/sessions.ts'
import type { Visitor } from './section.ts'

/** How often it is tried again when somebody else writes in between. */
const RACES = 10

/** A change of the account that ends all sessions, because it raises their epochs by one. */
export type EndingChange = 'password' | 'factors'

/**
 * Lets one session outlive a change that its owner has made in it. `before`: the account as it was before the change.
 * A session that was ended meanwhile stays ended; so does one whose account has changed further.
 */
export async function keepSession(
  uid: string,
  { before, change }: { before: Account; change: EndingChange },
  { sessionProofs, clock }: { sessionProofs: SessionProofRecords; clock: Clock },
): Promise<void> {
  const raised = {
    sessionEpoch: before.sessionEpoch + 1,
    ...(change === 'password' && { passwordEpoch: before.passwordEpoch + 1 }),
  }
  for (let tries = 0; tries < RACES; tries += 1) {
    const found = await sessionProofs.get(uid)
    if (found === undefined || found.value.ended === true || !aliveFor(before, found.value)) return
    const { keptUntil, expiresAt } = found.value
    const left = Math.max(1, (keptUntil ?? expiresAt) - clock.now())
    if (await sessionProofs.replace(uid, found.version, { ...found.value, ...raised }, left)) return
  }
}

/**
 * After such a change: this session goes on, and relying parties are told that all others have ended. By their epochs
 * those are dead already, whatever happens here (FB-9).
 */
export async function endOtherSessions(
  { account, session }: Pick<Visitor, 'account' | 'session'>,
  change: EndingChange,
  dependencies: { sessions: Pick<Sessions, 'endAll'>; sessionProofs: SessionProofRecords; clock: Clock },
): Promise<void> {
  await keepSession(session.uid, { before: account, change }, dependencies)
  await dependencies.sessions.endAll(account.id, { except: session.uid })
}
