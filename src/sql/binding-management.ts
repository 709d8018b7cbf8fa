import type { BindingStore } from '../mfa/factors/binding-store.ts'
import type { Database } from './database.ts'
import { lockAccount, raiseEpochs } from './factor-epochs.ts'

/** What owners and administrators do to bindings that are there; each is one transaction with its audit row. */
export function createBindingManagement(db: Database): Pick<BindingStore, 'remove' | 'rename' | 'note' | 'removeAll'> {
  return {
    remove: (accountId, id, { audit, keep = [], endsSignIns }) =>
      db.transaction(async (transaction) => {
        await lockAccount(transaction, accountId)
        const all = await transaction
          .selectFrom('bindings')
          .select(['id', 'type'])
          .where('account_id', '=', accountId)
          .execute()
        const others = all.filter((row) => row.id !== id)
        if (others.length === all.length) return 'not-theirs'
        if (keep.some((types) => !others.some(({ type }) => types.includes(type)))) return 'last'
        await transaction.deleteFrom('bindings').where('id', '=', id).where('account_id', '=', accountId).execute()
        await raiseEpochs(transaction, accountId, { endsSignIns })
        await db.writeAudit(transaction, audit)
        return 'removed'
      }),
    rename: (accountId, id, { label, audit }) =>
      db.transaction(async (transaction) => {
        const { numUpdatedRows } = await transaction
          .updateTable('bindings')
          .set({ label: label ?? null })
          .where('id', '=', id)
          .where('account_id', '=', accountId)
          .executeTakeFirstOrThrow()
        if (numUpdatedRows === 0n) return false
        await db.writeAudit(transaction, audit)
        return true
      }),
    note: (accountId, id, audit) =>
      db.transaction(async (transaction) => {
        const found = await transaction
          .selectFrom('bindings')
          .select('id')
          .where('id', '=', id)
          .where('account_id', '=', accountId)
          .executeTakeFirst()
        if (found === undefined) return false
        await db.writeAudit(transaction, audit)
        return true
      }),
    removeAll: (accountId, audit) =>
      db.transaction(async (transaction) => {
        await lockAccount(transaction, accountId)
        const { numDeletedRows } = await transaction
          .deleteFrom('bindings')
          .where('account_id', '=', accountId)
          .executeTakeFirstOrThrow()
        await transaction.deleteFrom('attempts').where('account_id', '=', accountId).execute()
        await raiseEpochs(transaction, accountId, { endsSignIns: true })
        await db.writeAudit(transaction, audit)
        return Number(numDeletedRows)
      }),
  }
}
