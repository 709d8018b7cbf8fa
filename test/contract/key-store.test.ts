import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { before, test } from 'node:test'
import { DAY } from '../../src/kernel/clock.ts'
import { createSealer, deriveKey } from '../../src/kernel/secrets.ts'
import type { KeyStore, SigningKey } from '../../src/provider/key-store.ts'
import { loadSigningKeys, removeOldKeys, rotateKeys } from '../../src/provider/keys.ts'
import { createSqlAudit } from '../../src/sql/audit.ts'
import type { Database } from '../../src/sql/database.ts'
import { createSqlKeys } from '../../src/sql/keys.ts'
import { onEachDatabase } from '../harness/databases.ts'
import { slow } from '../harness/slow.ts'

const PRIVATE = 'c2lnbmluZy1rZXk'

onEachDatabase('key store', (databases) => {
  const { clock } = databases
  const sealer = createSealer(deriveKey(Buffer.alloc(32, 1), 'keys'))
  let db: Database
  let keys: KeyStore
  before(async () => {
    db = await databases.open()
    keys = slow(createSqlKeys(db, { sealer }))
  })
  const make = (alg: SigningKey['alg']): SigningKey => {
    const kid = randomUUID()
    clock.advance(1)
    return { kid, alg, jwk: { kid, alg, use: 'sig', d: PRIVATE }, createdAt: clock.now() }
  }

  test('an empty store answers no key, and inserting none leaves it empty', async () => {
    assert.deepEqual(await keys.list(), [])
    assert.deepEqual(await keys.insertIfEmpty([]), [])
  })

  test('four processes that start at the same time end with one set', async () => {
    const places = await databases.place()
    const processes = await Promise.all(Array.from({ length: 4 }, () => databases.open(places)))
    const sets = await Promise.all(
      processes.map((each) => slow(createSqlKeys(each, { sealer })).insertIfEmpty([make('RS256'), make('ES256')])),
    )
    for (const set of sets) assert.deepEqual(set, sets[0])
    assert.equal(sets[0]?.length, 2)
  })

  test('keys come back as they were inserted, oldest first, and later ones are not taken', async () => {
    const first = [make('RS256'), make('ES256'), make('ES256')]
    assert.deepEqual(await keys.insertIfEmpty(first), first)
    assert.deepEqual(await keys.insertIfEmpty([make('RS256')]), first)
    assert.deepEqual(await keys.list(), first)
  })

  test('private keys are sealed, each for its own row (KM-5)', async () => {
    const rows = await db.kysely.selectFrom('signing_keys').selectAll().execute()
    assert.doesNotMatch(JSON.stringify(rows), new RegExp(`${PRIVATE}|"d"`))
    const [one, two] = rows
    assert.ok(one && two)
    const table = db.kysely.updateTable('signing_keys')
    await table.set({ jwk: one.jwk }).where('kid', '=', two.kid).execute()
    await assert.rejects(keys.list(), /cannot be opened/)
    await assert.rejects(keys.insertIfEmpty([make('RS256')]), 'keys that cannot be read are not replaced by new ones')
    await table.set({ jwk: two.jwk }).where('kid', '=', two.kid).execute()
    assert.equal((await keys.list()).length, rows.length)
  })

  test('the first start makes keys that the next start finds', async () => {
    const store = createSqlKeys(await databases.open(), { sealer })
    const made = await loadSigningKeys({ keys: store, clock }, { kept: DAY })
    assert.deepEqual(made.map(({ alg }) => alg).sort(), ['ES256', 'RS256'])
    assert.deepEqual(await loadSigningKeys({ keys: store, clock }, { kept: DAY }), made)
  })

  test('of those who rotate at the same time one does, and it is written down (KM-2)', async () => {
    const place = await databases.open()
    const store = slow(createSqlKeys(place, { sealer }))
    const first = await loadSigningKeys({ keys: store, clock }, { kept: DAY })
    const audit = () => ({ event: 'key.rotated', outcome: 'ok' }) as const
    clock.advance(1)
    const rotations = await Promise.all(
      Array.from({ length: 4 }, () => rotateKeys({ keys: store, clock }, { kept: DAY, audit })),
    )
    assert.equal(rotations.filter(({ ok }) => ok).length, 1)
    assert.equal((await store.list()).length, first.length + 2)
    const again = await rotateKeys({ keys: store, clock }, { kept: DAY, audit })
    assert.ok(!again.ok && again.waiting.length === 2)
    const events = await createSqlAudit(place).list({})
    assert.deepEqual(
      events.map(({ event }) => event),
      ['key.rotated'],
    )
    await store.remove(first.map(({ kid }) => kid))
    await store.remove(['x'])
    assert.equal((await store.list()).length, 2)
  })

  test('a key that is published no more is deleted, and no other (KM-2)', async () => {
    const store = slow(createSqlKeys(await databases.open(), { sealer }))
    const first = await loadSigningKeys({ keys: store, clock }, { kept: DAY })
    clock.advance(1)
    const rotated = await rotateKeys(
      { keys: store, clock },
      { kept: DAY, audit: () => ({ event: 'key.rotated', outcome: 'ok' }) },
    )
    assert.ok(rotated.ok)
    const kids = (list: readonly SigningKey[]): string[] => list.map(({ kid }) => kid).sort()
    await removeOldKeys({ keys: store, clock }, DAY)
    assert.deepEqual(kids(await store.list()), kids([...first, ...rotated.made]))
    clock.advance(2 * DAY)
    await removeOldKeys({ keys: store, clock }, DAY)
    assert.deepEqual(kids(await store.list()), kids(rotated.made))
  })
})
