import { sql, type Transaction } from 'kysely'
import { ConfigError } from '../kernel/errors.ts'
import type { Log } from '../kernel/log.ts'
import { type DatabaseKind, KNOWN_SCHEMA } from './migrations.ts'
import type { Tables } from './tables.ts'

/** The row of `settings` that names the last migration which a program has to know. */
const NEEDED = 'schema.needed'
/** The file's key that names the database. */
const KEYS = { postgres: 'stores.accounts', sqlite: 'stores.dataDir' } as const
const EXISTS = {
  postgres: sql<{ found: unknown }>`select to_regclass('kysely_migration') as found`,
  sqlite: sql<{ found: unknown }>`select (select name from sqlite_master where name = 'kysely_migration') as found`,
} as const

/**
 * Whether the migrations of this program are to run. False: a newer program has run all of them and more, none of
 * which this one has to know. Throws ConfigError when it has to know one.
 */
export async function mayMigrate(transaction: Transaction<unknown>, kind: DatabaseKind, log: Log): Promise<boolean> {
  const ran = await migrationsIn(transaction, kind)
  const strange = ran.filter((name) => !KNOWN_SCHEMA.names.includes(name))
  if (strange.length === 0) return true
  const needed = await neededIn(transaction)
  const complete = KNOWN_SCHEMA.names.every((name) => ran.includes(name))
  if (!complete || needed === undefined || !KNOWN_SCHEMA.names.includes(needed)) {
    throw new ConfigError(KEYS[kind], newerSchema(strange.at(-1) ?? ''))
  }
  log.warn('the database was extended by a newer version, and this one works beside it', { migrations: strange })
  return false
}

const newerSchema = (newest: string): string =>
  `the database was written by a newer version of Stepgate (schema ${newest}; this one knows ${KNOWN_SCHEMA.names.at(-1)}): run that version or a newer one, or restore a backup from before the upgrade`

async function migrationsIn(transaction: Transaction<unknown>, kind: DatabaseKind): Promise<string[]> {
  const { rows } = await EXISTS[kind].execute(transaction)
  if (rows[0]?.found == null) return []
  const { rows: ran } = await sql<{ name: string }>`select name from kysely_migration order by name`.execute(
    transaction,
  )
  return ran.map(({ name }) => name)
}

async function neededIn(transaction: Transaction<unknown>): Promise<string | undefined> {
  const row = await tablesOf(transaction)
    .selectFrom('settings')
    .select('value')
    .where('name', '=', NEEDED)
    .executeTakeFirst()
  return row?.value
}

/** For programs that do not know what this one has run. */
export async function keepNeeded(transaction: Transaction<unknown>): Promise<void> {
  const { needed } = KNOWN_SCHEMA
  if ((await neededIn(transaction)) === needed) return
  await tablesOf(transaction)
    .insertInto('settings')
    .values({ name: NEEDED, value: needed })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ value: needed }))
    .execute()
}

/** Migrations know no types; the tables in question are older than any of them that runs here. */
const tablesOf = (transaction: Transaction<unknown>): Transaction<Tables> => transaction as Transaction<Tables>
