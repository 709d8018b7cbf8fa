import type { Transaction } from 'kysely'
import type { Account } from '../accounts/account.ts'
import type { AccountAdmin, NewAccount } from '../accounts/account-store.ts'
import type { Clock } from '../kernel/clock.ts'
import { claim, claimsOf } from './account-logins.ts'
import { newRow, toAccount } from './account-row.ts'
import { chunks } from './chunks.ts'
import type { Database } from './database.ts'
import type { Tables } from './tables.ts'

/** Of 16 columns: both databases limit the values of a statement, SQLite to 32 766. */
const ROWS_AT_ONCE = 500

/** New accounts with their names and audit rows, in one transaction. */
export function createAccountInserts(
  db: Database,
  { clock }: { clock: Clock },
): Pick<AccountAdmin, 'insert' | 'insertMany'> {
  return {
    insert: (account, audit) =>
      db.transaction(async (transaction) => {
        const inserted = await insertAccount(transaction, account, clock.now())
        await db.writeAudit(transaction, { ...audit, account: inserted.id })
        return inserted
      }),
    insertMany: (entries, progress) =>
      db.transaction(async (transaction) => {
        for (const [index, part] of chunks(entries, ROWS_AT_ONCE).entries()) {
          const rows = part.map(({ account }) => newRow(account, clock.now()))
          await transaction.insertInto('accounts').values(rows).execute()
          await claim(transaction, rows.flatMap(claimsOf))
          const audits = part.map(({ audit }, place) => ({ ...audit, account: rows[place]?.id }))
          await db.writeAudit(transaction, ...audits)
          progress?.(index * ROWS_AT_ONCE + part.length)
        }
      }),
  }
}

/** Throws `LoginTakenError`; the caller writes the audit row. */
export async function insertAccount(
  transaction: Transaction<Tables>,
  account: NewAccount & { emailVerified?: boolean },
  now: number,
): Promise<Account> {
  const row = newRow(account, now)
  await transaction.insertInto('accounts').values(row).execute()
  await claim(transaction, claimsOf(row))
  return toAccount(row)
}
