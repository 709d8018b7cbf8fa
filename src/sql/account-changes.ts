import type { ExpressionBuilder, Transaction, UpdateObject } from 'kysely'
import { type AccountAdmin, AccountGoneError } from '../accounts/account-store.ts'
import type { Change } from '../audit/audit.ts'
import type { Clock } from '../kernel/clock.ts'
import { moveLogins } from './account-logins.ts'
import { changedRow, toAccount } from './account-row.ts'
import type { Database } from './database.ts'
import type { AccountRow, Tables } from './tables.ts'

type Row = ExpressionBuilder<Tables, 'accounts'>
type Columns = UpdateObject<Tables, 'accounts'>

/** Changes of an account that is there; each is one transaction with its audit row. */
export function createAccountChanges(
  db: Database,
  { clock, boundToAddress }: { clock: Clock; boundToAddress: readonly string[] },
): Pick<AccountAdmin, 'update' | 'setPassword' | 'replacePassword' | 'setDisabled' | 'endEverything' | 'remove'> {
  function change(id: string, audit: Change, set: (row: Row) => Columns): Promise<void> {
    return db.transaction(async (transaction) => {
      const { numUpdatedRows } = await transaction
        .updateTable('accounts')
        .set((row) => ({ ...set(row), updated_at: clock.now() }))
        .where('id', '=', id)
        .executeTakeFirstOrThrow()
      if (numUpdatedRows === 0n) throw new AccountGoneError()
      await db.writeAudit(transaction, audit)
    })
  }

  return {
    update: (id, changes, audit) =>
      db.transaction(async (transaction) => {
        const before = await lockRow(transaction, id, clock.now())
        if (before === undefined) return undefined
        const after = changedRow(before, changes)
        await moveLogins(transaction, before, after)
        if (after.email !== before.email) await endBindings(transaction, id, boundToAddress)
        const { id: _, ...columns } = after
        await transaction.updateTable('accounts').set(columns).where('id', '=', id).execute()
        await db.writeAudit(transaction, audit)
        return toAccount(after)
      }),
    setPassword: (id, passwordHash, audit) => change(id, audit, (row) => withPassword(row, passwordHash)),
    replacePassword: (id, { passwordHash, epoch }, audit) =>
      db.transaction(async (transaction) => {
        const { numUpdatedRows } = await transaction
          .updateTable('accounts')
          .set((row) => ({ ...withPassword(row, passwordHash), updated_at: clock.now() }))
          .where('id', '=', id)
          .where('password_epoch', '=', epoch)
          .executeTakeFirstOrThrow()
        if (numUpdatedRows === 0n) return false
        await db.writeAudit(transaction, audit)
        return true
      }),
    setDisabled: (id, disabled, audit) =>
      change(id, audit, (row) => ({ disabled: Number(disabled), session_epoch: row('session_epoch', '+', 1) })),
    endEverything: (id, audit) =>
      change(id, audit, (row) => ({
        session_epoch: row('session_epoch', '+', 1),
        factor_epoch: row('factor_epoch', '+', 1),
      })),
    remove: (id, audit) =>
      db.transaction(async (transaction) => {
        // Logins, bindings and counters go with it by their foreign keys.
        const { numDeletedRows } = await transaction
          .deleteFrom('accounts')
          .where('id', '=', id)
          .executeTakeFirstOrThrow()
        if (numDeletedRows === 0n) throw new AccountGoneError()
        await db.writeAudit(transaction, audit)
      }),
  }
}

/** Writing first takes the row: whoever else changes this account waits until the transaction is over. */
function lockRow(transaction: Transaction<Tables>, id: string, now: number): Promise<AccountRow | undefined> {
  return transaction
    .updateTable('accounts')
    .set({ updated_at: now })
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirst()
}

async function endBindings(transaction: Transaction<Tables>, id: string, types: readonly string[]): Promise<void> {
  if (types.length === 0) return
  await transaction.deleteFrom('bindings').where('account_id', '=', id).where('type', 'in', types).execute()
}

/** Whatever was begun with the password before is dead (PW-12). */
function withPassword(row: Row, passwordHash: string): Columns {
  return {
    password_hash: passwordHash,
    password_epoch: row('password_epoch', '+', 1),
    session_epoch: row('session_epoch', '+', 1),
  }
}
