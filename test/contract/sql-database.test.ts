import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createConnection, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { sql } from 'kysely'
import pg from 'pg'
import { createHasher } from '../../src/accounts/passwords.ts'
import type { AuditEvent } from '../../src/audit/audit.ts'
import { SECOND } from '../../src/kernel/clock.ts'
import { UnavailableError } from '../../src/kernel/errors.ts'
import { silentLog } from '../../src/kernel/log.ts'
import { createSealer, deriveKey } from '../../src/kernel/secrets.ts'
import { createSqlAccounts } from '../../src/sql/accounts.ts'
import { createSqlAudit } from '../../src/sql/audit.ts'
import { createSqlBindings } from '../../src/sql/bindings.ts'
import { type Database, openDatabase } from '../../src/sql/database.ts'
import { createSqlKeys } from '../../src/sql/keys.ts'
import { createSqlSettings } from '../../src/sql/settings.ts'
import { createTestClock, FIXED } from '../harness/clock.ts'
import { onEachDatabase, type Place } from '../harness/databases.ts'
import { needs } from '../harness/needs.ts'
import { type PostgresService, startPostgres } from '../harness/services.ts'

/** FA-1: an answer that the store cannot serve takes no longer than this. */
const QUICK = 3 * SECOND
const clock = createTestClock(FIXED)
const sealer = createSealer(deriveKey(Buffer.alloc(32, 1), 'test'))
const hasher = createHasher({ concurrency: 1, queue: 10, wait: SECOND })
const created: AuditEvent = { event: 'user.created', outcome: 'ok' }

async function newAccount(db: Database): Promise<string> {
  const { id } = await createSqlAccounts(db, { hasher, clock }).insert({ username: randomUUID() }, created)
  return id
}

/** Every kind of operation says so, soon, and none makes up an answer. */
async function assertUnavailable(db: Database, part: string): Promise<void> {
  const accounts = createSqlAccounts(db, { hasher, clock })
  const bindings = createSqlBindings(db, { sealer })
  const id = randomUUID()
  const audit: AuditEvent = { event: 'factor.added', outcome: 'ok', account: id }
  const binding = { id, accountId: id, type: 'totp', label: undefined, record: 1, boundAt: 0 }
  const start = performance.now()
  const operations: Promise<unknown>[] = [
    accounts.find(id),
    accounts.authenticate(id, 'password'),
    accounts.insert({ username: id }, created),
    accounts.setPassword(id, 'hash', audit),
    accounts.count(),
    bindings.list(id),
    bindings.insert(binding, { maxOfType: 1, audit }),
    bindings.replace(id, 1, { record: 1, lastUsedAt: 0 }),
    bindings.remove(id, id, { audit }),
    bindings.countAttempt(id, 'totp'),
    bindings.clearAttempts(id, 'totp'),
    createSqlKeys(db, { sealer }).insertIfEmpty([]),
    createSqlSettings(db).get('name'),
    createSqlSettings(db).addOnce('name', 'value'),
    createSqlAudit(db).append([{ id, time: 0, event: 'login.ok', outcome: 'ok' }]),
    db.ping(),
  ]
  for (const answer of await Promise.allSettled(operations)) assertIsUnavailable(answer, part)
  const took = performance.now() - start
  assert.ok(took < QUICK, `${took} ms`)
}

function assertIsUnavailable(answer: PromiseSettledResult<unknown>, part: string): Error {
  assert.equal(answer.status, 'rejected')
  assert.ok(answer.reason instanceof UnavailableError, String(answer.reason))
  assert.equal(answer.reason.part, part)
  assert.ok(answer.reason.cause instanceof Error)
  return answer.reason.cause
}

async function eventually(work: () => Promise<unknown>): Promise<void> {
  const deadline = performance.now() + 10 * SECOND
  for (;;) {
    try {
      await work()
      return
    } catch (error) {
      if (performance.now() > deadline) throw error
      await pause(20)
    }
  }
}

/** What an operator would find in the tables. */
async function tablesOf(db: Database): Promise<string[]> {
  return (await db.kysely.introspection.getTables()).map(({ name }) => name).sort()
}

const TABLES = [
  'accounts',
  'attempts',
  'audit',
  'bindings',
  'logins',
  'outbox',
  'postponements',
  'settings',
  'signing_keys',
]

onEachDatabase('database', (databases) => {
  test('four that open one empty place at the same time all succeed, and find one set of tables', async () => {
    const place = await databases.place()
    const opened = await Promise.all(Array.from({ length: 4 }, () => databases.open(place)))
    for (const db of opened) assert.deepEqual(await tablesOf(db), TABLES)
    const told = await Promise.all(opened.map((db, number) => createSqlSettings(db).addOnce('name', `${number}`)))
    assert.equal(new Set(told).size, 1)
  })

  test('what was written is there when it is opened again, and migrations run once', async () => {
    const place = await databases.place()
    const first = await databases.open(place)
    const id = await newAccount(first)
    await first.close()
    const second = await databases.open(place)
    assert.equal((await createSqlAccounts(second, { hasher, clock }).find(id))?.id, id)
  })

  test('a transaction that throws leaves nothing behind, and the next one works', async () => {
    const db = await databases.open()
    const failure = new Error('mine')
    const work = db.transaction(async (transaction) => {
      await transaction.insertInto('settings').values({ name: 'half', value: '1' }).execute()
      throw failure
    })
    await assert.rejects(work, failure)
    assert.equal(await createSqlSettings(db).get('half'), undefined)
    assert.equal(await createSqlSettings(db).addOnce('half', '2'), '2')
  })

  test('a broken constraint and a wrong statement are no outages, and harm nobody after them', async () => {
    const db = await databases.open()
    const bindings = createSqlBindings(db, { sealer })
    const mistakes = [
      () => bindings.countAttempt(randomUUID(), 'totp'),
      () => sql`select nothing from nowhere`.execute(db.kysely),
      () =>
        db.transaction(async (transaction) => {
          await transaction.insertInto('logins').values({ key: 'x', account_id: 'nobody' }).execute()
        }),
    ]
    for (const mistake of mistakes) {
      await assert.rejects(mistake, (error: unknown) => error instanceof Error && !(error instanceof UnavailableError))
      await db.ping()
    }
  })

  test('milliseconds and counts are numbers', async () => {
    const db = await databases.open()
    await createSqlSettings(db).addOnce('name', 'value')
    const large = 8_640_000_000_000_000
    await createSqlAudit(db).append([{ id: 'a', time: large, event: 'login.ok', outcome: 'ok' }])
    assert.deepEqual((await createSqlAudit(db).list({}))[0]?.time, large)
    assert.equal(await createSqlAccounts(db, { hasher, clock }).count(), 0)
  })

  test('closing twice is fine; after that nothing is served', async () => {
    const db = await databases.open()
    await db.close()
    await db.close()
    await assert.rejects(db.ping())
  })
})

describe('database: sqlite alone', () => {
  const folder = mkdtempSync(join(tmpdir(), 'stepgate-sqlite-'))
  after(() => rmSync(folder, { recursive: true, force: true }))
  const newFile = (): string => join(folder, randomUUID(), 'stepgate.db')
  const open = (file: string): Promise<Database> => openDatabase({ file }, { clock, log: silentLog })

  test('the file and what SQLite puts beside it are for their owner only, also when they were not', async () => {
    const file = newFile()
    const db = await open(file)
    await newAccount(db)
    const modeOf = (path: string): number => statSync(path).mode & 0o777
    assert.equal(modeOf(dirname(file)), 0o700)
    for (const path of [file, `${file}-wal`, `${file}-shm`]) assert.equal(modeOf(path), 0o600, path)
    await db.close()
    const loose = join(folder, 'loose.db')
    writeFileSync(loose, '', { mode: 0o644 })
    await (await open(loose)).close()
    assert.equal(modeOf(loose), 0o600)
  })

  test('it survives a loss of power: WAL, and every commit waits for the disk', async () => {
    const db = await open(newFile())
    const journal = await sql<{ journal_mode: string }>`pragma journal_mode`.execute(db.kysely)
    const synchronous = await sql<{ synchronous: number }>`pragma synchronous`.execute(db.kysely)
    const keys = await sql<{ foreign_keys: number }>`pragma foreign_keys`.execute(db.kysely)
    assert.equal(journal.rows[0]?.journal_mode, 'wal')
    assert.equal(synchronous.rows[0]?.synchronous, 2)
    assert.equal(keys.rows[0]?.foreign_keys, 1)
    await db.close()
  })

  test('three processes that open one empty file and write at once: no SQLITE_BUSY gets out, no count is lost', async () => {
    const file = newFile()
    const db = await open(file)
    const id = await newAccount(db)
    const script = `
      const at = ${JSON.stringify(new URL('../../src/', import.meta.url).href)}
      const [{ openDatabase }, { createSqlBindings }, { createSqlSettings }] = await Promise.all(
        ['sql/database.ts', 'sql/bindings.ts', 'sql/settings.ts'].map((name) => import(at + name)))
      const log = { debug() {}, info() {}, warn() {}, error() {} }
      const given = process.argv.slice(1)
      await (await openDatabase({ file: given[2] }, { clock: { now: Date.now }, log })).close()
      const db = await openDatabase({ file: given[0] }, { clock: { now: Date.now }, log })
      const bindings = createSqlBindings(db, { sealer: undefined })
      const audit = { event: 'factor.admin_reset', outcome: 'ok', account: given[1] }
      const numbers = []
      for (let turn = 0; turn < 100; turn++) {
        numbers.push(await bindings.countAttempt(given[1], 'totp'))
        if (turn % 10 === 0) await bindings.remove(given[1], 'none', { audit })
      }
      console.log(JSON.stringify(numbers))
      await db.close()`
    const empty = newFile()
    const run = async (): Promise<number[]> => {
      const given = ['--no-warnings', '--input-type=module', '-e', script, file, id, empty]
      const { stdout } = await promisify(execFile)(process.execPath, given)
      return JSON.parse(stdout) as number[]
    }
    const numbers = (await Promise.all([run(), run(), run()])).flat()
    assert.equal(new Set(numbers).size, 300)
    assert.equal(Math.max(...numbers), 300)
    await db.close()
  })

  test('two handles of one process that write at once wait for each other', async () => {
    const file = newFile()
    const handles = await Promise.all([open(file), open(file)])
    const [first] = handles
    assert.ok(first)
    const id = await newAccount(first)
    const stores = handles.map((db) => createSqlBindings(db, { sealer }))
    const binding = { accountId: id, label: undefined, record: 1, boundAt: 0 }
    const audit: AuditEvent = { event: 'factor.added', outcome: 'ok', account: id }
    const inserts = stores.flatMap((store, handle) =>
      Array.from({ length: 10 }, (_, turn) =>
        store.insert({ ...binding, id: `${handle}-${turn}`, type: `${turn}` }, { maxOfType: 1, audit }),
      ),
    )
    assert.equal((await Promise.all(inserts)).filter(Boolean).length, 10)
    for (const handle of handles) await handle.close()
  })

  test('a file that another process holds is Unavailable soon, reads go on, and it is served when it is free', async () => {
    const file = newFile()
    const db = await open(file)
    const settings = createSqlSettings(db)
    await settings.addOnce('name', 'value')
    const other = new DatabaseSync(file)
    other.exec('begin immediate')
    assert.equal(await settings.get('name'), 'value')
    const start = performance.now()
    for (const work of [() => settings.addOnce('other', 'x'), () => newAccount(db)]) {
      const [answer] = await Promise.allSettled([work()])
      assertIsUnavailable(answer, 'sqlite')
    }
    assert.ok(performance.now() - start < 2 * QUICK)
    other.exec('commit')
    assert.equal(await settings.addOnce('other', 'x'), 'x')
    other.close()
    await db.close()
  })

  test('a file that is no database is Unavailable and is left alone', async () => {
    const file = join(folder, 'text.db')
    writeFileSync(file, 'no database at all, but long enough to have a header'.repeat(100))
    await assert.rejects(open(file), UnavailableError)
  })
})

describe('database: postgres alone', { skip: needs('postgres') }, () => {
  let service: PostgresService
  const opened: Database[] = []
  before(async () => {
    service = await startPostgres()
  })
  after(async () => {
    await Promise.allSettled(opened.map((db) => db.close()))
    await service.stop()
  })
  async function open(place?: Place): Promise<Database> {
    const db = await openDatabase(place ?? { url: await service.createDatabase() }, { clock, log: silentLog })
    opened.push(db)
    return db
  }

  test('a killed server is Unavailable soon, and is served again after its restart without ours', async () => {
    const url = await service.createDatabase()
    const db = await open({ url })
    const id = await newAccount(db)
    // Connections that are open, so that their loss is met too.
    await Promise.all(Array.from({ length: 10 }, () => db.ping()))
    await service.kill()
    await assertUnavailable(db, 'postgres')
    await assert.rejects(openDatabase({ url }, { clock, log: silentLog }), UnavailableError)
    await service.restart()
    await eventually(() => db.ping())
    assert.equal((await createSqlAccounts(db, { hasher, clock }).find(id))?.id, id)
  })

  test('a server that falls silent is Unavailable soon, and its connections are replaced', async (t) => {
    const url = new URL(await service.createDatabase())
    const proxy = await startProxy(t, Number(url.port))
    url.port = `${proxy.port}`
    const db = await open({ url: url.href })
    await Promise.all(Array.from({ length: 10 }, () => db.ping()))
    proxy.silence()
    await assertUnavailable(db, 'postgres')
    proxy.speak()
    await db.ping()
    await newAccount(db)
  })

  test('a connection that the server ends, idle or between two statements, ends no process', async () => {
    const db = await open()
    const end = sql`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()`
    const killer = await open({ url: service.url })
    const { rows } = await sql<{ name: string }>`select current_database() as name`.execute(db.kysely)
    const endOthers = (): Promise<unknown> =>
      sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${rows[0]?.name}`.execute(
        killer.kysely,
      )
    await Promise.all([db.ping(), db.ping(), db.ping()])
    await endOthers()
    await eventually(() => db.ping())
    const work = db.transaction(async (transaction) => {
      await transaction.insertInto('settings').values({ name: 'half', value: '1' }).execute()
      await endOthers()
      await pause(50)
      await transaction.insertInto('settings').values({ name: 'other', value: '1' }).execute()
    })
    await assert.rejects(work, UnavailableError)
    assert.equal(await createSqlSettings(db).get('half'), undefined)
    await end.execute(db.kysely)
  })

  test('a statement that waits too long for a lock is Unavailable', async () => {
    const url = await service.createDatabase()
    const db = await open({ url })
    const holder = new pg.Client({ connectionString: url })
    await holder.connect()
    await holder.query('begin')
    await holder.query('lock table settings in access exclusive mode')
    const start = performance.now()
    const [answer] = await Promise.allSettled([createSqlSettings(db).get('name')])
    const cause = assertIsUnavailable(answer, 'postgres')
    assert.equal((cause as pg.DatabaseError).code, '57014', 'the server has given it up too')
    assert.ok(performance.now() - start < QUICK)
    await holder.query('rollback')
    await holder.end()
    assert.equal(await createSqlSettings(db).get('name'), undefined)
  })

  test('more work than connections waits, and not for ever', async () => {
    const db = await open()
    const sleeping = Array.from({ length: 10 }, () => sql`select pg_sleep(1.5)`.execute(db.kysely))
    const start = performance.now()
    const [answer] = await Promise.allSettled([db.ping()])
    assertIsUnavailable(answer, 'postgres')
    assert.ok(performance.now() - start < QUICK)
    await Promise.all(sleeping)
    await Promise.all(Array.from({ length: 100 }, () => db.ping()))
  })
})

/** Passes bytes on until `silence`; then it takes them and says nothing, on old connections and on new ones. */
async function startProxy(t: TestContext, target: number) {
  const sockets = new Set<Socket>()
  let silent = false
  const server = createServer((near) => {
    const far = createConnection(target, '127.0.0.1')
    const dead = silent
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from)
      from.on('error', () => {})
      from.on('close', () => to.destroy())
      from.on('data', (chunk) => silent || dead || to.write(chunk))
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return {
    port: (server.address() as AddressInfo).port,
    silence() {
      silent = true
    },
    speak() {
      silent = false
    },
  }
}
