import {
  type DatabaseConnection,
  type Dialect,
  type Driver,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
} from 'kysely'
import pg from 'pg'
import { SECOND } from '../kernel/clock.ts'
import { UnavailableError } from '../kernel/errors.ts'
import type { Log } from '../kernel/log.ts'
import { toParameter } from './parameters.ts'

/** Milliseconds to get a connection, new or from the pool. */
const CONNECT_TIMEOUT = SECOND
/** Milliseconds that our side waits longer for an answer than the server may work on it: then the network is gone. */
const SILENCE = 500
const IDLE_IN_TRANSACTION_TIMEOUT = 5 * SECOND
/** A statement with more parameters is a batch whose text hardly comes twice. */
const PREPARED_PARAMETERS = 24
const PREPARED_STATEMENTS = 200

export interface PostgresOptions {
  url: string
  /** The most connections of this process. */
  connections: number
  /** Milliseconds one statement may take, waiting for locks included. */
  statementTimeout: number
}

/** Kysely on `pg`, where everything but a mistake in a statement or its values is `UnavailableError('postgres')`. */
export function createPostgresDialect(options: PostgresOptions, dependencies: { log: Log }): Dialect {
  return {
    createDriver: () => createDriver(options, dependencies.log),
    createQueryCompiler: () => new PostgresQueryCompiler(),
    createAdapter: () => new TransactionalAdapter(),
    createIntrospector: (database) => new PostgresIntrospector(database),
  }
}

/** Migrations run in a transaction that holds a lock of its own. */
class TransactionalAdapter extends PostgresAdapter {
  override async acquireMigrationLock(): Promise<void> {}
  override async releaseMigrationLock(): Promise<void> {}
}

interface Connection extends DatabaseConnection {
  /** Whether the session is in an unknown state and must not be used again. */
  readonly broken: boolean
  run(text: string): Promise<pg.QueryResult>
  release(): void
}

function createDriver(options: PostgresOptions, log: Log): Driver {
  const pool = createPool(options, log)
  const nameOf = createStatementNames()
  return {
    init: async () => {},
    async acquireConnection() {
      try {
        return connectionOf(await pool.connect(), nameOf)
      } catch (error) {
        throw new UnavailableError('postgres', { cause: error })
      }
    },
    async beginTransaction(connection) {
      await own(connection).run('begin')
    },
    async commitTransaction(connection) {
      const { command } = await own(connection).run('commit')
      // PostgreSQL answers ROLLBACK when a statement in the transaction had failed.
      if (command !== 'COMMIT') throw new Error('the transaction was rolled back')
    },
    async rollbackTransaction(connection) {
      // Closing the session rolls back too.
      if (!own(connection).broken) await own(connection).run('rollback')
    },
    releaseConnection: async (connection) => own(connection).release(),
    destroy: () => pool.end(),
  }
}

function own(connection: DatabaseConnection): Connection {
  return connection as Connection
}

function createPool({ url, connections, statementTimeout }: PostgresOptions, log: Log): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    application_name: 'stepgate',
    max: connections,
    connectionTimeoutMillis: CONNECT_TIMEOUT,
    statement_timeout: statementTimeout,
    query_timeout: statementTimeout + SILENCE,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT,
    keepAlive: true,
    types: { getTypeParser },
  })
  const lost = (error: Error): void => log.warn('a connection to PostgreSQL was lost', { reason: error.message })
  // Without a listener the loss of a connection ends the process, of an idle one and of one between two statements.
  pool.on('error', () => {})
  pool.on('connect', (client) => client.on('error', lost))
  return pool
}

const getTypeParser: pg.CustomTypesConfig['getTypeParser'] = (oid, format) =>
  // Counts and milliseconds are far below 2^53.
  oid === pg.types.builtins.INT8 ? Number : pg.types.getTypeParser(oid, format)

/** Statements get a name, so that the server plans each of them once per connection. */
function createStatementNames(): (text: string, parameters: number) => string | undefined {
  const names = new Map<string, string>()
  return (text, parameters) => {
    const known = names.get(text)
    if (known !== undefined || parameters > PREPARED_PARAMETERS || names.size >= PREPARED_STATEMENTS) return known
    const name = `stepgate_${names.size}`
    names.set(text, name)
    return name
  }
}

function connectionOf(client: pg.PoolClient, nameOf: ReturnType<typeof createStatementNames>): Connection {
  let broken = false

  async function query(config: pg.QueryConfig): Promise<pg.QueryResult> {
    if (broken) throw new UnavailableError('postgres')
    try {
      return await client.query(config)
    } catch (error) {
      if (isMistake(error)) throw error
      broken = true
      throw new UnavailableError('postgres', { cause: error })
    }
  }

  return {
    get broken() {
      return broken
    },
    run: (text) => query({ text }),
    async executeQuery<R>({ sql, parameters }: { sql: string; parameters: readonly unknown[] }) {
      const name = nameOf(sql, parameters.length)
      const values = parameters.map(toParameter)
      const { rows, rowCount } = await query({ text: sql, values, ...(name !== undefined && { name }) })
      return { rows: rows as R[], numAffectedRows: BigInt(rowCount ?? 0) }
    },
    streamQuery() {
      throw new Error('no query of ours is streamed')
    },
    release: () => client.release(broken),
  }
}

/** SQLSTATE classes for which another try would fail alike: data, constraints, syntax and privileges. */
const MISTAKE = /^(21|22|23|42)/

function isMistake(error: unknown): boolean {
  return error instanceof pg.DatabaseError && MISTAKE.test(error.code ?? '')
}
