import type { AccountAdmin } from '../accounts/account-store.ts'
import type { Hasher } from '../accounts/passwords.ts'
import type { Clock } from '../kernel/clock.ts'
import { createAccountChanges } from './account-changes.ts'
import { createAccountInserts } from './account-inserts.ts'
import { createPasswordChecks } from './account-passwords.ts'
import { createAccountQueries } from './account-queries.ts'
import type { Database } from './database.ts'

export interface SqlAccountDependencies {
  hasher: Hasher
  clock: Clock
  /** Types whose bindings are the address itself: they end when it changes. */
  boundToAddress?: readonly string[]
}

/** Accounts in the tables `accounts` and `logins`: what is asked, whose password it is, and what is written. */
export function createSqlAccounts(db: Database, dependencies: SqlAccountDependencies): AccountAdmin {
  const { hasher, clock, boundToAddress = [] } = dependencies
  return {
    ...createAccountQueries(db),
    ...createPasswordChecks(db, { hasher }),
    ...createAccountInserts(db, { clock }),
    ...createAccountChanges(db, { clock, boundToAddress }),
  }
}
