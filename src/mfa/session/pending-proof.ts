import type { Account } from '../../accounts/account.ts'
import type { Sealer } from '../../kernel/secrets.ts'
import { createRecords, type Records } from '../../state/records.ts'
import type { StateStore } from '../../state/store.ts'
import type { Proof } from '../factors/verifier.ts'
import type { Postponed } from '../policy/postponement.ts'
import type { AdmittedBy } from './session-proofs.ts'

/** What was proved so far in one interaction: no session, and good for one browser and one account alone (B9, SE-3). */
export interface PendingProof {
  accountId: string
  /** Hash of the browser's own secret. */
  browser: string
  proofs: Proof[]
  passwordEpoch: number
  sessionEpoch: number
  /** The remembered device that spares this sign-in the second factor. */
  device?: AdmittedBy
  /** The person put off binding. */
  postponed?: Postponed
  /** The person wants to bind now, although it could wait. */
  binding?: true
  /** An administrator's code was right: it proves nothing, and lets the person bind a factor in this sign-in (I3). */
  bypassed?: true
  /** The authenticator type the person picked. */
  chosen?: string
  /** The person asked to see the choice. */
  choosing?: true
  /** The person agreed to end the session of somebody else in this browser. */
  switching?: true
  /** A text that the next page shows. */
  notice?: string
}

/** Keyed by the interaction's uid. */
export type PendingProofs = Records<PendingProof>

export function createPendingProofs(dependencies: { state: StateStore; sealer: Sealer }): PendingProofs {
  return createRecords<PendingProof>('pending', dependencies)
}

/** Whether a pending proof is still this account's: a changed password or an ended session ends it too. */
export function pendingFor(account: Account, pending: PendingProof): boolean {
  return (
    !account.disabled &&
    account.id === pending.accountId &&
    account.passwordEpoch === pending.passwordEpoch &&
    account.sessionEpoch === pending.sessionEpoch
  )
}
