import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, describe, it } from 'node:test'
import { Redis } from 'ioredis'
import pg from 'pg'
import { silentLog } from '../../src/kernel/log.ts'
import { openDatabase } from '../../src/sql/database.ts'
import { keyOf } from '../../src/state/store.ts'
import { createTestClock } from '../harness/clock.ts'
import { needs } from '../harness/needs.ts'
import { freePort, startPostgres, startRedis } from '../harness/services.ts'
import { assertFailed } from './assertions.ts'
import { type CommandLine, createCommandLine, outcomeOf } from './command-line.ts'

/** Every door of the program, none of which may open on stores that it does not understand. */
const DOORS = [['serve'], ['check'], ['user', 'list']]
const PATIENCE = 15_000
const MARKER = `${keyOf('format')}`
const NEWER = '{"format":999,"since":"99.0.0"}'
const STATE = /newer version of Stepgate \(format 999; this one knows \d+\): run version 99\.0\.0 or newer/
const SCHEMA = /newer version of Stepgate \(schema 999-tomorrow; this one knows \d{3}-[\w-]+\)/
const MIGRATION = "insert into kysely_migration (name, timestamp) values ('999-tomorrow', 'then')"

async function assertClosed(cli: CommandLine, says: RegExp): Promise<void> {
  for (const door of DOORS) {
    const child = cli.start(door)
    // One that starts all the same, or that waits for its connections, would never end.
    const patience = setTimeout(() => child.kill('SIGKILL'), PATIENCE)
    assertFailed(await outcomeOf(child), 2, says)
    clearTimeout(patience)
  }
}

describe('stores of a newer version', () => {
  const ends: (() => unknown)[] = []
  afterEach(async () => {
    for (const end of ends.splice(0)) await end()
  })

  async function cliWith(stores = ''): Promise<CommandLine> {
    const port = await freePort()
    const key = `secretKey: ${randomBytes(32).toString('base64')}`
    const cli = createCommandLine(`issuer: http://127.0.0.1:${port}
listen: { port: ${port} }
mfa: { enabled: true, methods: [totp] }
${stores === '' ? '' : `${key}\nstores: ${stores}\n`}`)
    ends.push(() => cli.remove())
    return cli
  }

  it('the embedded state is refused with the line of the file, by every command', async () => {
    const cli = await cliWith()
    await cli.run(['user', 'list'])
    const state = new DatabaseSync(join(cli.folder, 'data', 'state.db'))
    state.prepare('update entries set value = ? where key = ?').run(NEWER, MARKER)
    state.close()
    await assertClosed(cli, new RegExp(`stepgate\\.yaml:\\d+: stores\\.dataDir: .*${STATE.source}`))
  })

  it('the embedded accounts are refused, by every command', async () => {
    const cli = await cliWith()
    await cli.run(['user', 'list'])
    const accounts = new DatabaseSync(join(cli.folder, 'data', 'stepgate.db'))
    accounts.exec(MIGRATION)
    accounts.exec("update settings set value = '999-tomorrow' where name = 'schema.needed'")
    accounts.close()
    await assertClosed(cli, new RegExp(`stepgate\\.yaml:\\d+: stores\\.dataDir: .*${SCHEMA.source}`))
  })

  it('Redis is refused, by every command', { skip: needs('redis-server') }, async () => {
    const redis = await startRedis()
    ends.push(() => redis.stop())
    const cli = await cliWith(`{ state: "${redis.url}" }`)
    const client = new Redis(redis.url)
    await client.set(`sg:${MARKER}`, NEWER)
    client.disconnect()
    await assertClosed(cli, new RegExp(`stepgate\\.yaml:5: stores\\.state: .*${STATE.source}`))
  })

  it('PostgreSQL is refused, by every command', { skip: needs('postgres') }, async () => {
    const postgres = await startPostgres()
    ends.push(() => postgres.stop())
    const url = await postgres.createDatabase()
    await (await openDatabase({ url }, { clock: createTestClock(), log: silentLog })).close()
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    await client.query(`${MIGRATION}; update settings set value = '999-tomorrow' where name = 'schema.needed'`)
    await client.end()
    const cli = await cliWith(`{ accounts: "${url}" }`)
    await assertClosed(cli, new RegExp(`stepgate\\.yaml:5: stores\\.accounts: .*${SCHEMA.source}`))
  })
})
