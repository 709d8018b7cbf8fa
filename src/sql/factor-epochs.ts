import type { Transaction } from 'kysely'
import { AccountGoneError } from '../accounts/account-store.ts'
import type { Tables } from './tables.ts'

/**
 * Whoever changes an account's factors has its row first. A statement that counts and writes at once would not do:
 * PostgreSQL, having waited for the row, counts in the snapshot it took before.
 */
export async function lockAccount(transaction: Transaction<Tables>, accountId: string): Promise<void> {
  const { numUpdatedRows } = await transaction
    .updateTable('accounts')
    .set(({ ref }) => ({ factor_epoch: ref('factor_epoch') }))
    .where('id', '=', accountId)
    .executeTakeFirstOrThrow()
  if (numUpdatedRows === 0n) throw new AccountGoneError()
}

/**
 * The factor epoch; with `endsSignIns` the session epoch too. What carries an older one is worth nothing from then on.
 */
export async function raiseEpochs(
  transaction: Transaction<Tables>,
  accountId: string,
  { endsSignIns }: { endsSignIns?: true | undefined } = {},
): Promise<void> {
  await transaction
    .updateTable('accounts')
    .set((row) => ({
      factor_epoch: row('factor_epoch', '+', 1),
      ...(endsSignIns === true && { session_epoch: row('session_epoch', '+', 1) }),
    }))
    .where('id', '=', accountId)
    .execute()
}
