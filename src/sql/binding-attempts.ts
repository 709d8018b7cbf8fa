import type { Kysely } from 'kysely'
import type { BindingStore } from '../mfa/factors/binding-store.ts'
import type { Database } from './database.ts'
import type { Tables } from './tables.ts'

/**
 * The durable rows of failures, one for each account and type. Counting is one statement: parallel attempts get
 * different numbers.
 */
export function createBindingAttempts(db: Database): Pick<BindingStore, 'countAttempt' | 'clearAttempts' | 'attempts'> {
  const { kysely } = db
  return {
    async countAttempt(accountId, type) {
      const row = await kysely
        .insertInto('attempts')
        .values({ account_id: accountId, type, failures: 1 })
        .onConflict((conflict) =>
          conflict
            .columns(['account_id', 'type'])
            .doUpdateSet(({ eb, ref }) => ({ failures: eb(ref('attempts.failures'), '+', 1) })),
        )
        .returning('failures')
        .executeTakeFirstOrThrow()
      return row.failures
    },
    async clearAttempts(accountId, type, audit) {
      const clear = async (executor: Kysely<Tables>): Promise<void> => {
        await executor.deleteFrom('attempts').where('account_id', '=', accountId).where('type', '=', type).execute()
      }
      if (audit === undefined) return clear(kysely)
      await db.transaction(async (transaction) => {
        await clear(transaction)
        await db.writeAudit(transaction, audit)
      })
    },
    async attempts(accountId) {
      const rows = await kysely
        .selectFrom('attempts')
        .select(['type', 'failures'])
        .where('account_id', '=', accountId)
        .orderBy('type')
        .execute()
      return rows.map(({ type, failures }) => ({ type, failures }))
    },
  }
}
