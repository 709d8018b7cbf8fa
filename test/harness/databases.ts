import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before } from 'node:test'
import { type Log, silentLog } from '../../src/kernel/log.ts'
import { type Database, openDatabase } from '../../src/sql/database.ts'
import { createTestClock, FIXED, type TestClock } from './clock.ts'
import { type PostgresService, startPostgres } from './services.ts'
import { onKinds, STORES_KINDS } from './stores.ts'

export type Place = { url: string } | { file: string }

export interface Databases {
  readonly clock: TestClock
  /** Of a database of its own, opened and migrated; closed with the suite. */
  open(place?: Place, log?: Log): Promise<Database>
  /** A new one that nobody opened. */
  place(): Promise<Place>
  /** Undefined for SQLite. */
  readonly postgres: PostgresService | undefined
}

/** The same suite on both databases: PostgreSQL where it is installed, SQLite in a file. */
export function onEachDatabase(name: string, suite: (databases: Databases) => void): void {
  onKinds(STORES_KINDS, name, (kind) => (kind === 'embedded' ? onSqlite(suite) : onPostgres(suite)), {
    names: { embedded: 'sqlite', servers: 'postgres' },
    programs: (kind) => (kind === 'servers' ? ['postgres'] : []),
  })
}

function onSqlite(suite: (databases: Databases) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'stepgate-sqlite-'))
  let files = 0
  const databases = createDatabases(async () => ({ file: join(folder, `${++files}`, 'stepgate.db') }))
  after(async () => {
    await databases.close()
    rmSync(folder, { recursive: true, force: true })
  })
  suite(databases)
}

function onPostgres(suite: (databases: Databases) => void): void {
  let service: PostgresService
  before(async () => {
    service = await startPostgres()
  })
  const databases = createDatabases(
    async () => ({ url: await service.createDatabase() }),
    () => service,
  )
  after(async () => {
    await databases.close()
    await service.stop()
  })
  suite(databases)
}

function createDatabases(
  place: () => Promise<Place>,
  postgres?: () => PostgresService,
): Databases & { close(): Promise<void> } {
  const clock = createTestClock(FIXED)
  const opened: Database[] = []
  return {
    clock,
    place,
    async open(at, log = silentLog) {
      const database = await openDatabase(at ?? (await place()), { clock, log })
      opened.push(database)
      return database
    },
    get postgres() {
      return postgres?.()
    },
    async close() {
      await Promise.allSettled(opened.map((database) => database.close()))
    },
  }
}
