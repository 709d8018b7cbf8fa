import { type Account, loginKey } from '../accounts/account.ts'
import type { AccountAdmin } from '../accounts/account-store.ts'
import type { Hasher } from '../accounts/passwords.ts'
import { UnavailableError } from '../kernel/errors.ts'
import { createLoginLookup } from './account-queries.ts'
import { toAccount } from './account-row.ts'
import type { Database } from './database.ts'
import type { AccountRow } from './tables.ts'

/** Whether a password is the one of an account; a hash that is weaker than today's is renewed on the way. */
export function createPasswordChecks(
  db: Database,
  { hasher }: { hasher: Hasher },
): Pick<AccountAdmin, 'claimant' | 'authenticate'> {
  const rowOfLogin = createLoginLookup(db)

  /**
   * A better hash of the same password, unless somebody set another one meanwhile. No epoch moves: nothing changed for
   * its owner.
   */
  async function renewHash(row: AccountRow, password: string): Promise<void> {
    try {
      const renewed = await hasher.hash(password)
      await db.transaction(async (transaction) => {
        const { numUpdatedRows } = await transaction
          .updateTable('accounts')
          .set({ password_hash: renewed })
          .where('id', '=', row.id)
          .where('password_hash', '=', row.password_hash)
          .executeTakeFirstOrThrow()
        if (numUpdatedRows === 0n) return
        await db.writeAudit(transaction, { event: 'password.rehashed', outcome: 'ok', account: row.id })
      })
    } catch (error) {
      // The password was right, and the next sign-in tries again.
      if (!(error instanceof UnavailableError)) throw error
    }
  }

  async function authenticateAs(row: AccountRow | undefined, password: string): Promise<Account | undefined> {
    const hash = row?.password_hash ?? undefined
    const right = await hasher.verify(hash, password)
    if (!right || row === undefined || hash === undefined) return undefined
    if (hasher.outdated(hash)) await renewHash(row, password)
    return toAccount(row)
  }

  return {
    async claimant(login) {
      const row = await rowOfLogin(login)
      return {
        accountId: row?.id,
        key: row?.id ?? loginKey(login),
        authenticate: (password) => authenticateAs(row, password),
      }
    },
    authenticate: async (login, password) => authenticateAs(await rowOfLogin(login), password),
  }
}
