import { loginKey } from '../accounts/account.ts'
import type { AccountAdmin } from '../accounts/account-store.ts'
import { takenLogins } from './account-logins.ts'
import { toAccount } from './account-row.ts'
import type { Database } from './database.ts'
import type { AccountRow } from './tables.ts'

/** Finds the row that a name or address belongs to. Compiled once: every sign-in asks. */
export function createLoginLookup({ kysely }: Database): (login: string) => Promise<AccountRow | undefined> {
  const byLogin = kysely
    .selectFrom('logins')
    .innerJoin('accounts', 'accounts.id', 'logins.account_id')
    .selectAll('accounts')
    .where('logins.key', '=', '')
    .compile()
  return async (login) => (await kysely.executeQuery<AccountRow>({ ...byLogin, parameters: [loginKey(login)] })).rows[0]
}

export type AccountQueries = Pick<AccountAdmin, 'find' | 'findByLogin' | 'taken' | 'list' | 'count' | 'withoutEmail'>

export function createAccountQueries(db: Database): AccountQueries {
  const { kysely } = db
  const rowOfLogin = createLoginLookup(db)
  const byId = kysely.selectFrom('accounts').selectAll().where('id', '=', '').compile()
  return {
    async find(id) {
      const [row] = (await kysely.executeQuery<AccountRow>({ ...byId, parameters: [id] })).rows
      return row && toAccount(row)
    },
    async findByLogin(login) {
      const row = await rowOfLogin(login)
      return row && toAccount(row)
    },
    taken: (logins) => takenLogins(kysely, logins),
    async list({ after, limit } = {}) {
      let query = kysely.selectFrom('accounts').selectAll().orderBy('login_key')
      if (after !== undefined) query = query.where('login_key', '>', loginKey(after))
      if (limit !== undefined) query = query.limit(limit)
      return (await query.execute()).map(toAccount)
    },
    async count() {
      const row = await kysely
        .selectFrom('accounts')
        .select(({ fn }) => fn.countAll<number>().as('count'))
        .executeTakeFirstOrThrow()
      return row.count
    },
    async withoutEmail() {
      const rows = await kysely
        .selectFrom('accounts')
        .selectAll()
        .where('email', 'is', null)
        .where('disabled', '=', 0)
        .orderBy('login_key')
        .execute()
      return rows.map(toAccount)
    },
  }
}
