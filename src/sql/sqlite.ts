import { chmodSync, closeSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import {
  type DatabaseConnection,
  type Dialect,
  type Driver,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely'
import { UnavailableError } from '../kernel/errors.ts'
import { toParameter } from './parameters.ts'

/** Milliseconds SQLite itself waits for another process's lock; the event loop stands still meanwhile. */
const BUSY_TIMEOUT = 250
const CACHED_STATEMENTS = 200

/**
 * Opens the file (mode 0600, folder 0700 when it is made here) or `:memory:`. `retryAfter`: milliseconds to wait, off
 * the event loop, before each further attempt to get at a file that is in use.
 */
export async function openSqliteFile(file: string, retryAfter: readonly number[]): Promise<DatabaseSync> {
  if (file !== ':memory:') {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    // SQLite gives its side files the mode of the main one.
    closeSync(openSync(file, 'a', 0o600))
    chmodSync(file, 0o600)
  }
  const database = new DatabaseSync(file, { timeout: BUSY_TIMEOUT, enableForeignKeyConstraints: true })
  try {
    // Changing to WAL needs the file alone and ignores the busy timeout, and two processes may start at once.
    await whenFree(retryAfter, () => database.exec('pragma journal_mode = wal; pragma synchronous = full;'))
  } catch (error) {
    database.close()
    throw error
  }
  return database
}

/**
 * Kysely on one connection of node:sqlite, where everything but a mistake in a statement or its values is
 * `UnavailableError('sqlite')`. Ending the dialect leaves `database` open.
 */
export function createSqliteDialect(database: DatabaseSync, retryAfter: readonly number[]): Dialect {
  return {
    createDriver: () => createDriver(database, retryAfter),
    createQueryCompiler: () => new SqliteQueryCompiler(),
    createAdapter: () => new TransactionalAdapter(),
    createIntrospector: (kysely) => new SqliteIntrospector(kysely),
  }
}

class TransactionalAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true
  }
}

function createDriver(database: DatabaseSync, retryAfter: readonly number[]): Driver {
  const prepare = createStatements(database)
  const connection: DatabaseConnection = {
    async executeQuery<R>({ sql, parameters }: { sql: string; parameters: readonly unknown[] }) {
      const values = parameters.map(toParameter) as SQLInputValue[]
      return await whenFree(retryAfter, () => {
        const { statement, answersRows } = prepare(sql)
        if (answersRows) return { rows: statement.all(...values) as R[] }
        return { rows: [], numAffectedRows: BigInt(statement.run(...values).changes) }
      })
    },
    streamQuery() {
      throw new Error('no query of ours is streamed')
    },
  }
  return {
    init: async () => {},
    acquireConnection: async () => connection,
    async beginTransaction() {
      // A plain `begin` takes the lock with the first write, and then fails at once instead of waiting.
      await whenFree(retryAfter, () => database.exec('begin immediate'))
    },
    commitTransaction: () => whenFree(retryAfter, () => database.exec('commit')),
    async rollbackTransaction() {
      // Some failures, a full disk for one, have rolled back already.
      if (database.isOpen && database.isTransaction) await whenFree(retryAfter, () => database.exec('rollback'))
    },
    releaseConnection: async () => {},
    destroy: async () => {},
  }
}

interface Prepared {
  statement: StatementSync
  answersRows: boolean
}

/** Keeps the statements used first; there are far fewer different ones than this holds, batches apart. */
function createStatements(database: DatabaseSync): (text: string) => Prepared {
  const kept = new Map<string, Prepared>()
  return (text) => {
    const known = kept.get(text)
    if (known !== undefined) return known
    const statement = database.prepare(text)
    const prepared = { statement, answersRows: statement.columns().length > 0 }
    if (kept.size < CACHED_STATEMENTS) kept.set(text, prepared)
    return prepared
  }
}

async function whenFree<R>(retryAfter: readonly number[], work: () => R): Promise<R> {
  for (let attempt = 0; ; attempt++) {
    try {
      return work()
    } catch (error) {
      if (isMistake(error)) throw error
      const wait = retryAfter[attempt]
      if (!isBusy(error) || wait === undefined) throw new UnavailableError('sqlite', { cause: error })
      await pause(wait)
    }
  }
}

/** Primary result codes (sqlite.org/rescode.html). */
const BUSY = [5, 6]
/** An error in the statement, a constraint, a wrong type, a misuse, a parameter out of range, too big. */
const MISTAKES = [1, 18, 19, 20, 21, 25]

function isBusy(error: unknown): boolean {
  return BUSY.includes(codeOf(error))
}

function isMistake(error: unknown): boolean {
  return MISTAKES.includes(codeOf(error)) || (error as { code?: unknown }).code === 'ERR_INVALID_ARG_TYPE'
}

function codeOf(error: unknown): number {
  // The low byte is the primary result code, the others say which kind of it.
  return Number((error as { errcode?: unknown }).errcode ?? 0) & 0xff
}
