import type { Account } from '../accounts/account.ts'
import type { Sealer } from '../kernel/secrets.ts'
import { createRecords, type Records } from '../state/records.ts'
import type { StateStore } from '../state/store.ts'
import type { Postponed } from './postponement.ts'
import type { Proof } from './verifier.ts'

/** A remembered device that let somebody in without a second factor. */
export interface AdmittedBy {
  id: string
}

/** What was proved in a session, kept under the session's stable uid: the engine's own `acr`, `amr` and time follow from it. */
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
  /** The person signed out: only such tokens still go by it. */
  ended?: true
}

/** Keyed by session uid. */
export type SessionProofRecords = Records<SessionProofs>

export function createSessionProofs(dependencies: { state: StateStore; sealer: Sealer }): SessionProofRecords {
  return createRecords<SessionProofs>('session-proofs', dependencies)
}

/** Whether a session of this account, begun with these epochs, is still alive: a changed password or an ended session kills it (SE-8). */
export function aliveFor(account: Account, session: SessionProofs): boolean {
  return (
    !account.disabled &&
    account.id === session.accountId &&
    account.passwordEpoch === session.passwordEpoch &&
    account.sessionEpoch === session.sessionEpoch
  )
}
