import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, it } from 'node:test'
import { sql } from 'kysely'
import { silentLog } from '../../src/kernel/log.ts'
import { type Database, openDatabase } from '../../src/sql/database.ts'
import { createTestClock } from '../harness/clock.ts'
import { type FixtureKind, type LaidOut, layOut } from '../harness/state-fixture.ts'
import { kindsIn, kindsNamedIn, patternOf } from '../harness/stored-kinds.ts'
import { onKinds, STORES_KINDS } from '../harness/stores.ts'
import { readSources } from '../unit/architecture.ts'

/**
 * What a fixture lacks, no test can miss. Every kind of key that the source names and every table has something in
 * it; what is younger than the fixture is named here, by whoever adds it.
 */
const FIXTURES = [{ commit: 'e8e7e98', youngerKinds: ['format'], youngerTables: [] as string[] }]

/** Of the engine, whose records are `engine-MODEL`; it has others, for features that are off. */
const ENGINE_MODELS = [
  'AccessToken',
  'AuthorizationCode',
  'ClientCredentials',
  'Grant',
  'Interaction',
  'PushedAuthorizationRequest',
  'RefreshToken',
  'Session',
]
const USED_MODELS = ['AuthorizationCode', 'PushedAuthorizationRequest', 'RefreshToken']
/** Names of parameters under which kinds are passed on: whoever adds one looks whether what it carries is found. */
const PASSED_ON = ['gate.name', 'kind', 'kindOf(model)', 'name']

for (const { commit, youngerKinds, youngerTables } of FIXTURES) {
  onKinds(STORES_KINDS, `the fixture ${commit} holds something of everything`, (kind) => {
    let laid: LaidOut
    before(async () => {
      laid = await layOut(commit, kind)
    })
    after(() => laid?.remove())

    it('that the source keeps in the state store', async () => {
      const { kinds, passedOn } = kindsNamedIn(readSources())
      assert.deepEqual([...passedOn].sort(), PASSED_ON, 'a way to name a kind that this test does not know')
      const engine = [
        ...ENGINE_MODELS.map((model) => `engine-${model}`),
        ...USED_MODELS.map((model) => `used-${model}`),
      ]
      const held = [...(await kindsIn(stateOf(laid, kind)))]
      const lacking = [...kinds, ...engine].filter((name) => !held.some((each) => patternOf(name).test(each)))
      assert.deepEqual(lacking.sort(), youngerKinds)
    })

    it('that the schema has a table for', async () => {
      const database = await openDatabase(accountsOf(laid), { clock: createTestClock(), log: silentLog })
      try {
        assert.deepEqual(await emptyTables(database), youngerTables)
      } finally {
        await database.close()
      }
    })
  })
}

interface StoresConfig {
  dataDir: string
  state?: string
  accounts?: string
}

function stateOf({ config }: LaidOut, kind: FixtureKind): { redis: string } | { file: string } {
  const { state, dataDir } = config.stores as StoresConfig
  return kind === 'servers' ? { redis: `${state}` } : { file: join(dataDir, 'state.db') }
}

function accountsOf({ config }: LaidOut): { url: string } | { file: string } {
  const { accounts, dataDir } = config.stores as StoresConfig
  return accounts === undefined ? { file: join(dataDir, 'stepgate.db') } : { url: accounts }
}

async function emptyTables({ kysely }: Database): Promise<string[]> {
  const tables = await kysely.introspection.getTables()
  const empty: string[] = []
  for (const { name } of tables) {
    const { rows } = await sql`select 1 from ${sql.table(name)} limit 1`.execute(kysely)
    if (rows.length === 0) empty.push(name)
  }
  return empty.sort()
}
