import { type Dialect, Kysely, sql, type Transaction } from 'kysely'
import { Migrator } from 'kysely/migration'
import type { Change } from '../audit/audit.ts'
import { type Clock, MINUTE, SECOND } from '../kernel/clock.ts'
import type { Log } from '../kernel/log.ts'
import { createSortableIds } from '../kernel/sortable-id.ts'
import { auditRow } from './audit-row.ts'
import { createMigrations, type DatabaseKind } from './migrations.ts'
import { outboxRows } from './outbox-row.ts'
import { keepNeeded, mayMigrate } from './schema-format.ts'
import { createSqliteDialect, openSqliteFile } from './sqlite.ts'
import type { Tables } from './tables.ts'

const CONNECTIONS = 10
const STATEMENT_TIMEOUT = 2 * SECOND
/** Milliseconds before each further attempt to write to a SQLite file that another process holds. */
const RETRY_AFTER = [20, 50, 100]
/** While another process migrates, a starting one waits. */
const MIGRATION_TIMEOUT = MINUTE
const MIGRATION_RETRY_AFTER = Array.from({ length: 100 }, () => 50)
const MIGRATION_LOCK = 7_836_104_225

/**
 * Everything durable, in PostgreSQL or in one SQLite file. Whatever runs on it throws `UnavailableError` when the store
 * cannot serve.
 */
export interface Database {
  readonly kind: DatabaseKind
  readonly kysely: Kysely<Tables>
  readonly log: Log
  /** All or nothing, and in SQLite alone. Only SQL through the given transaction may be awaited inside. */
  transaction<R>(work: (transaction: Transaction<Tables>) => Promise<R>): Promise<R>
  /** Writes the audit rows of a change and its letters in the change's own transaction (LG-4). */
  writeAudit(transaction: Transaction<Tables>, ...events: readonly Change[]): Promise<void>
  /** Throws `UnavailableError` unless the store answers. */
  ping(): Promise<void>
  close(): Promise<void>
}

/**
 * Opens and migrates. Any number of processes may do so at the same time: one migrates, the others wait for it. `url`:
 * `postgres://user:password@host:port/database`, TLS by `?sslmode=verify-full&sslrootcert=FILE`. `file`: a path or
 * `:memory:`.
 */
export async function openDatabase(
  options: { url: string } | { file: string },
  dependencies: { clock: Clock; log: Log },
): Promise<Database> {
  const { clock, log } = dependencies
  const engine = 'url' in options ? await openPostgres(options.url, log) : await openSqlite(options.file, log)
  const { kind, kysely } = engine
  const ping = async (): Promise<void> => {
    await kysely.selectFrom('settings').select('name').limit(1).execute()
  }
  // Kysely starts with the first query, and what has not started cannot be closed.
  await ping()
  const nextId = createSortableIds(clock)
  return {
    kind,
    kysely,
    log,
    transaction: (work) => kysely.transaction().execute(work),
    async writeAudit(transaction, ...events) {
      const rows = events.map((event) => auditRow({ ...event, id: nextId(), time: clock.now() }))
      if (rows.length > 0) await transaction.insertInto('audit').values(rows).execute()
      const mails = events.flatMap((event) => event.mails ?? [])
      if (mails.length === 0) return
      await transaction
        .insertInto('outbox')
        .values(outboxRows(mails, { nextId, now: clock.now() }))
        .execute()
    },
    ping,
    close: () => engine.close(),
  }
}

interface DatabaseEngine {
  kind: DatabaseKind
  kysely: Kysely<Tables>
  close(): Promise<void>
}

async function openPostgres(url: string, log: Log): Promise<DatabaseEngine> {
  const { createPostgresDialect } = await import('./postgres.ts')
  const dialectWith = (connections: number, statementTimeout: number): Dialect =>
    createPostgresDialect({ url, connections, statementTimeout }, { log })
  await migrate('postgres', dialectWith(1, MIGRATION_TIMEOUT), log)
  const kysely = new Kysely<Tables>({ dialect: dialectWith(CONNECTIONS, STATEMENT_TIMEOUT) })
  return { kind: 'postgres', kysely, close: () => kysely.destroy() }
}

async function openSqlite(file: string, log: Log): Promise<DatabaseEngine> {
  const database = await openSqliteFile(file, MIGRATION_RETRY_AFTER)
  try {
    await migrate('sqlite', createSqliteDialect(database, MIGRATION_RETRY_AFTER), log)
  } catch (error) {
    database.close()
    throw error
  }
  const kysely = new Kysely<Tables>({ dialect: createSqliteDialect(database, RETRY_AFTER) })
  return {
    kind: 'sqlite',
    kysely,
    async close() {
      await kysely.destroy()
      if (database.isOpen) database.close()
    },
  }
}

/**
 * In one transaction: a migration that fails leaves nothing behind. Throws ConfigError for a schema of a newer
 * program.
 */
async function migrate(kind: DatabaseKind, dialect: Dialect, log: Log): Promise<void> {
  const kysely = new Kysely<unknown>({ dialect })
  try {
    await kysely.transaction().execute(async (transaction) => {
      if (kind === 'postgres') await sql`select pg_advisory_xact_lock(${MIGRATION_LOCK})`.execute(transaction)
      if (!(await mayMigrate(transaction, kind, log))) return
      const { error } = await new Migrator({ db: transaction, provider: createMigrations(kind) }).migrateToLatest()
      if (error !== undefined) throw error
      await keepNeeded(transaction)
    })
  } finally {
    await kysely.destroy()
  }
}
