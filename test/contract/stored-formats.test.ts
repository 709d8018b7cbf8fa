import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, it } from 'node:test'
import { sql } from 'kysely'
import { HOUR, MINUTE, systemClock } from '../../src/kernel/clock.ts'
import { ConfigError, UnavailableError } from '../../src/kernel/errors.ts'
import { type Log, silentLog } from '../../src/kernel/log.ts'
import { createSealer, deriveKey } from '../../src/kernel/secrets.ts'
import { KNOWN_SCHEMA } from '../../src/sql/migrations.ts'
import { createSqlSettings } from '../../src/sql/settings.ts'
import { createEmbeddedState } from '../../src/state/embedded.ts'
import { admitted, type FormatKnowledge, STATE_FORMAT, type StateFormat } from '../../src/state/format.ts'
import { createRecords } from '../../src/state/records.ts'
import { createRedisState } from '../../src/state/redis.ts'
import { keyOf, type StateStore } from '../../src/state/store.ts'
import { onEachDatabase } from '../harness/databases.ts'
import { type RedisService, startRedis } from '../harness/services.ts'
import { onKinds, STATE_STORES, STORES_KINDS } from '../harness/stores.ts'

/**
 * A store says in which format it was written. A program that knows less refuses it in words, at the start and at
 * every operation, and writes nothing into it.
 */
const OURS = STATE_FORMAT.writes
const NEWER = { format: STATE_FORMAT.reads + 1, since: '99.0.0' }
const THIRD = { format: NEWER.format + 1, since: '100.0.0' }
/** That reads and writes this. */
const programOf = (writes: StateFormat): FormatKnowledge => ({ writes, reads: writes.format })
const MARKER = keyOf('format')
const OWN = { key: 'stores.state' }

interface Place {
  /** Another handle on the same store. */
  open(): StateStore
  close(): Promise<void>
}

onKinds(
  STORES_KINDS,
  'the format of the state store',
  (kind) => {
    let redis: RedisService | undefined
    let places = 0
    const folder = mkdtempSync(join(tmpdir(), 'stepgate-formats-'))
    before(async () => {
      redis = kind === 'servers' ? await startRedis() : undefined
    })
    after(async () => {
      await redis?.stop()
      rmSync(folder, { recursive: true, force: true })
    })

    function place(): Place {
      const opened: StateStore[] = []
      const number = ++places
      return {
        open() {
          const store =
            redis === undefined
              ? createEmbeddedState({ file: join(folder, `${number}.db`) }, { clock: systemClock, log: silentLog })
              : createRedisState({ url: redis.url, prefix: `test${number}:` }, { log: silentLog })
          opened.push(store)
          return store
        },
        async close() {
          await Promise.allSettled(opened.map((store) => store.close()))
        },
      }
    }

    async function onPlace(work: (at: Place) => Promise<void>): Promise<void> {
      const at = place()
      try {
        await work(at)
      } finally {
        await at.close()
      }
    }

    const markerIn = async (at: Place): Promise<unknown> => JSON.parse((await at.open().get(MARKER)) ?? 'null')

    it('an empty one, and one of before there were formats, is taken and marked', () =>
      onPlace(async (at) => {
        await at.open().set(keyOf('kind', 'id'), 'of before', HOUR)
        const store = await admitted(at.open(), OWN, { log: silentLog })
        assert.equal(await store.get(keyOf('kind', 'id')), 'of before')
        assert.deepEqual(await markerIn(at), OURS)
      }))

    it('a newer one is refused in one line that says what to do, and nothing is written', () =>
      onPlace(async (at) => {
        await at.open().set(MARKER, JSON.stringify(NEWER), HOUR)
        await assert.rejects(admitted(at.open(), OWN, { log: silentLog }), (error: unknown) => {
          assert.ok(error instanceof ConfigError)
          const words = `newer version of Stepgate (format ${NEWER.format}; this one knows ${STATE_FORMAT.reads})`
          assert.ok(error.message.startsWith('stores.state: ') && error.message.includes(words), error.message)
          assert.match(error.message, /run version 99\.0\.0 or newer/)
          assert.doesNotMatch(error.message, /\n/)
          return true
        })
        assert.deepEqual(await markerIn(at), NEWER)
      }))

    it('a marker that nobody can read is one of a newer program', () =>
      onPlace(async (at) => {
        for (const marker of ['{}', 'format 3', '{"format":"1","since":"0.1.0"}']) {
          await at.open().set(MARKER, marker, HOUR)
          await assert.rejects(admitted(at.open(), OWN, { log: silentLog }), ConfigError, marker)
        }
      }))

    it('a newer program raises the marker, also beside others, and none lowers it', () =>
      onPlace(async (at) => {
        const programs = [OURS, NEWER, OURS, NEWER, OURS].map(programOf)
        await Promise.allSettled(programs.map((own) => admitted(at.open(), { ...OWN, own }, { log: silentLog })))
        assert.deepEqual(await markerIn(at), NEWER)
        await assert.rejects(admitted(at.open(), OWN, { log: silentLog }), ConfigError)
        const again = await admitted(at.open(), { ...OWN, own: programOf(THIRD) }, { log: silentLog })
        assert.deepEqual(JSON.parse((await again.get(MARKER)) ?? ''), THIRD)
      }))

    it('a program that reads the next format and writes this one marks this one, and lives beside the next', () =>
      onPlace(async (at) => {
        const own: FormatKnowledge = { writes: OURS, reads: NEWER.format }
        await admitted(at.open(), { ...OWN, own }, { log: silentLog })
        assert.deepEqual(await markerIn(at), OURS)
        await admitted(at.open(), { ...OWN, own: programOf(NEWER) }, { log: silentLog })
        await admitted(at.open(), { ...OWN, own }, { log: silentLog })
        assert.deepEqual(await markerIn(at), NEWER)
      }))

    it('one that can be read and not written is read, and says so of nothing', async () => {
      const lines: string[] = []
      const log: Log = { ...silentLog, error: (message) => lines.push(message) }
      await onPlace(async (at) => {
        await at.open().set(keyOf('kind', 'id'), 'value', HOUR)
        for (const marker of [undefined, OURS]) {
          if (marker !== undefined) await at.open().set(MARKER, JSON.stringify(marker), HOUR)
          const store = at.open()
          const { add, compareAndSet, set } = store
          const full = async (): Promise<never> => {
            throw new UnavailableError('state')
          }
          Object.assign(store, { add: full, compareAndSet: full, set: full })
          const readOnly = await admitted(store, { ...OWN, own: programOf(NEWER) }, { log })
          assert.equal(await readOnly.get(keyOf('kind', 'id')), 'value')
          await readOnly.ping()
          await assert.rejects(readOnly.set(keyOf('kind', 'id'), 'other', MINUTE), UnavailableError)
          Object.assign(store, { add, compareAndSet, set })
          await readOnly.set(keyOf('kind', 'id'), 'value', MINUTE)
          assert.deepEqual(await markerIn(at), NEWER, 'the marker stands before anything is written')
          await at.open().delete(MARKER)
        }
        assert.deepEqual(lines, [])
      })
    })

    it('one that did not answer at the start is looked at before the first operation', async () => {
      const lines: string[] = []
      const log: Log = { ...silentLog, error: (message) => lines.push(message) }
      await onPlace(async (at) => {
        await at.open().set(MARKER, JSON.stringify(NEWER), HOUR)
        const store = at.open()
        const { get } = store
        store.get = async () => {
          throw new UnavailableError('state')
        }
        const late = await admitted(store, OWN, { log })
        await assert.rejects(late.set(keyOf('kind', 'id'), 'value', MINUTE), UnavailableError)
        store.get = get
        for (const operation of [
          () => late.set(keyOf('kind', 'id'), 'value', MINUTE),
          () => late.increment(keyOf('kind', 'count'), MINUTE),
          () => late.ping(),
        ]) {
          await assert.rejects(operation, UnavailableError)
        }
        assert.deepEqual(lines.splice(0), ['the state store is not used'], 'said once')
        assert.equal(await at.open().get(keyOf('kind', 'id')), undefined)
        // Whoever emptied it meanwhile has it served without a restart.
        await at.open().delete(MARKER)
        await late.set(keyOf('kind', 'id'), 'value', MINUTE)
        assert.equal(await late.get(keyOf('kind', 'id')), 'value')
      })
    })

    it('a newer record is no absent one: it is unavailable, is logged, and stays for who can read it', () =>
      onPlace(async (at) => {
        const lines: unknown[] = []
        const log: Log = { ...silentLog, error: (_message, details) => lines.push(details) }
        const sealer = createSealer(deriveKey(Buffer.alloc(32, 7), 'state'))
        const state = await admitted(at.open(), OWN, { log })
        const records = createRecords<{ account: string }>('device', { state, sealer, log })
        const key = keyOf('device', 'id')
        const text = sealer.seal(JSON.stringify({ account: 'alice', $format: NEWER.format }), key)
        await state.set(key, text, MINUTE)
        await assert.rejects(records.get('id'), UnavailableError)
        await assert.rejects(records.take('id'), UnavailableError)
        assert.equal(await state.get(key), text)
        assert.deepEqual(lines, Array(2).fill({ kind: 'device', format: NEWER.format }))
      }))
  },
  STATE_STORES,
)

onEachDatabase('the schema of the database', (databases) => {
  /** A program of tomorrow has run one more migration; `needed`: the last that others have to know. */
  async function extended(needed: string) {
    const place = await databases.place()
    const db = await databases.open(place)
    await sql`create table tomorrow (id text primary key)`.execute(db.kysely)
    await sql`insert into kysely_migration (name, timestamp) values ('999-tomorrow', 'then')`.execute(db.kysely)
    await createSqlSettings(db).set('schema.needed', needed)
    await db.close()
    return place
  }

  it('of a newer program is refused in one line that says what to do, and is left as it was', async () => {
    const place = await extended('999-tomorrow')
    for (let attempt = 0; attempt < 2; attempt++) {
      await assert.rejects(databases.open(place), (error: unknown) => {
        assert.ok(error instanceof ConfigError, `${error}`)
        const key = 'url' in place ? 'stores.accounts' : 'stores.dataDir'
        assert.ok(error.message.startsWith(`${key}: `), error.message)
        assert.match(error.message, /newer version of Stepgate \(schema 999-tomorrow; this one knows \d{3}-[\w-]+\)/)
        assert.doesNotMatch(error.message, /\n/)
        return true
      })
    }
  })

  it('of a newer program that said nothing about others is refused too', async () => {
    const place = await extended('')
    await assert.rejects(databases.open(place), ConfigError)
  })

  it('that was only added to is worked with, as replicas are exchanged one by one', async () => {
    const place = await extended(KNOWN_SCHEMA.needed)
    const lines: unknown[] = []
    const db = await databases.open(place, { ...silentLog, warn: (_message, details) => lines.push(details) })
    assert.deepEqual(lines, [{ migrations: ['999-tomorrow'] }])
    assert.equal(await createSqlSettings(db).addOnce('name', 'value'), 'value')
    assert.equal(await createSqlSettings(db).get('schema.needed'), KNOWN_SCHEMA.needed)
  })

  it('says from the first start on which migration others have to know', async () => {
    const db = await databases.open()
    assert.equal(await createSqlSettings(db).get('schema.needed'), KNOWN_SCHEMA.needed)
  })
})
