import type { Account } from '../../accounts/account.ts'
import type { NewAccount } from '../../accounts/account-store.ts'
import type { Change } from '../../audit/audit.ts'
import type { Binding } from '../factors/binding-store.ts'

/** What was answered to the question of set-up: whether everybody needs a second factor. */
export interface SetupDecision {
  enabled: boolean
  by: 'file' | 'page' | 'cli'
  /** Milliseconds since the epoch. */
  at: number
}

export interface FirstAdministrator extends NewAccount {
  /** The owner has entered a code sent to the address. */
  emailVerified?: boolean
  /** What was bound at set-up. */
  binding?: Pick<Binding, 'type' | 'record'> | undefined
}

/** The one answer of an installation, kept for good. */
export interface SetupDecisionStore {
  get(): Promise<SetupDecision | undefined>
  /** Writes it with its audit row, unless the one that holds is no longer `before`; answers whether it did. */
  replace(before: SetupDecision | undefined, answer: SetupDecision, audit: Change): Promise<boolean>
  /**
   * The end of set-up: the first answer, the administrator and what they bound, all or nothing; undefined when there
   * is an answer already. The audit rows name the account. Throws `LoginTakenError`.
   */
  finish(
    answer: SetupDecision,
    administrator: FirstAdministrator,
    audits: readonly Change[],
  ): Promise<Account | undefined>
}
