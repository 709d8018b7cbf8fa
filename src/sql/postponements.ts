import type { PostponementStore } from '../mfa/policy/postponement-store.ts'
import type { Database } from './database.ts'

/** The default has no name, and a primary key no null. Rule names are never empty. */
const DEFAULT = ''

export function createSqlPostponements(db: Database): PostponementStore {
  return {
    async list(accountId) {
      const rows = await db.kysely
        .selectFrom('postponements')
        .select(['rule', 'first_at', 'times'])
        .where('account_id', '=', accountId)
        .orderBy('rule')
        .execute()
      return rows.map(({ rule, first_at, times }) => ({ rule: rule || null, firstAt: first_at, count: times }))
    },
    async find(accountId, rule) {
      const row = await db.kysely
        .selectFrom('postponements')
        .select(['first_at', 'times'])
        .where('account_id', '=', accountId)
        .where('rule', '=', rule ?? DEFAULT)
        .executeTakeFirst()
      return row && { firstAt: row.first_at, count: row.times }
    },
    postpone: (accountId, rule, { now, audit }) =>
      db.transaction(async (transaction) => {
        const row = await transaction
          .insertInto('postponements')
          .values({ account_id: accountId, rule: rule ?? DEFAULT, first_at: now, times: 1 })
          .onConflict((conflict) =>
            conflict
              .columns(['account_id', 'rule'])
              .doUpdateSet(({ eb, ref }) => ({ times: eb(ref('postponements.times'), '+', 1) })),
          )
          .returning(['first_at', 'times'])
          .executeTakeFirstOrThrow()
        await db.writeAudit(transaction, audit)
        return { firstAt: row.first_at, count: row.times }
      }),
  }
}
