import type { SettingStore } from '../config/setting-store.ts'
import type { Database } from './database.ts'

export function createSqlSettings(db: Database): SettingStore {
  return {
    async get(name) {
      const row = await db.kysely.selectFrom('settings').select('value').where('name', '=', name).executeTakeFirst()
      return row?.value
    },
    async set(name, value) {
      await db.kysely
        .insertInto('settings')
        .values({ name, value })
        .onConflict((conflict) => conflict.column('name').doUpdateSet({ value }))
        .execute()
    },
    async addOnce(name, value) {
      const row = await db.kysely
        .insertInto('settings')
        .values({ name, value })
        // Changes nothing: `do nothing` would answer nothing either.
        .onConflict((conflict) => conflict.column('name').doUpdateSet({ name }))
        .returning('value')
        .executeTakeFirstOrThrow()
      return row.value
    },
  }
}
