import type { Account } from '../../accounts/account.ts'
import type { Clock } from '../../kernel/clock.ts'
import { UnavailableError } from '../../kernel/errors.ts'
import type { Sealer } from '../../kernel/secrets.ts'
import { createRecords, type Records } from '../../state/records.ts'
import { keyOf, type StateKey, type StateStore } from '../../state/store.ts'
import type { Proof } from '../factors/verifier.ts'
import type { Postponed } from '../policy/postponement.ts'

/** A remembered device that let somebody in without a second factor. */
export interface AdmittedBy {
  id: string
}

/** Relying parties by client id: the names by which each knows the session, and what was granted to it there. */
export type Parties = Readonly<Record<string, { sid: string | undefined; grantId: string }>>

/**
 * What was proved in a session, kept under the session's stable uid: the engine's own `acr`, `amr` and time follow from
 * it.
 */
export interface SessionProofs {
  accountId: string
  proofs: Proof[]
  device: AdmittedBy | undefined
  /** Binding was put off. */
  postponed?: Postponed
  /** The client address of the sign-in, for rules that look at networks. */
  address: string
  passwordEpoch: number
  sessionEpoch: number
  /** Milliseconds since the epoch; the absolute limit counts from the start (SE-4). */
  startedAt: number
  expiresAt: number
  /** How long it is kept: a refresh token that outlives the session is judged by it too. */
  keptUntil?: number
  /** It was ended, by a sign-out or from elsewhere: only such tokens still go by it. */
  ended?: true
  /** Everybody who was signed in to, also after the engine forgot the session because nobody used it. */
  parties?: Parties
  /** Shown, never trusted. */
  userAgent?: string
  /** To five minutes. */
  lastUsedAt?: number
}

/** Keyed by session uid. */
export type SessionProofRecords = Records<SessionProofs>

export function createSessionProofs(dependencies: { state: StateStore; sealer: Sealer }): SessionProofRecords {
  return createRecords<SessionProofs>('session-proofs', dependencies)
}

/**
 * Whether a session of this account, begun with these epochs, is still alive: a changed password or an ended session
 * kills it (SE-8).
 */
export function aliveFor(account: Account, session: SessionProofs): boolean {
  return (
    !account.disabled &&
    account.id === session.accountId &&
    account.passwordEpoch === session.passwordEpoch &&
    account.sessionEpoch === session.sessionEpoch
  )
}

/** The uids of everything that is kept for an account; a uid is a name and opens nothing. */
export const sessionsOf = (accountId: string): StateKey => keyOf('account-sessions', accountId)

/** `ttl`: milliseconds, as long as the proofs are kept. */
export function keepForAccount(
  state: Pick<StateStore, 'indexAdd'>,
  { accountId, uid, ttl }: { accountId: string; uid: string; ttl: number },
): Promise<void> {
  return state.indexAdd(sessionsOf(accountId), uid, ttl)
}

const RACES = 10

/** Marks it and answers how it stood before; undefined: nothing was proved there. */
export async function markEnded(
  proofs: SessionProofRecords,
  uid: string,
  clock: Clock,
): Promise<SessionProofs | undefined> {
  for (let tries = 0; tries < RACES; tries += 1) {
    const found = await proofs.get(uid)
    if (found === undefined || found.value.ended === true) return found?.value
    const { keptUntil, expiresAt } = found.value
    const left = Math.max(1, (keptUntil ?? expiresAt) - clock.now())
    if (await proofs.replace(uid, found.version, { ...found.value, ended: true }, left)) return found.value
  }
  throw new UnavailableError('session proofs')
}
