import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { HOUR, MINUTE } from '../../src/kernel/clock.ts'
import { UnavailableError } from '../../src/kernel/errors.ts'
import { silentLog } from '../../src/kernel/log.ts'
import { createSealer, deriveKey } from '../../src/kernel/secrets.ts'
import {
  createSessionProofs,
  markEnded,
  type SessionProofRecords,
  type SessionProofs,
} from '../../src/mfa/session/session-proofs.ts'
import { type Limit, spend, waitUntilRoom } from '../../src/state/allowance.ts'
import { createEmbeddedState } from '../../src/state/embedded.ts'
import { admitted } from '../../src/state/format.ts'
import { createRecords, type Records } from '../../src/state/records.ts'
import { keyOf, type StateStore } from '../../src/state/store.ts'
import { slow } from '../harness/slow.ts'

interface Proof {
  account: string
  times: number[]
}

const PARALLEL = 20
const alice: Proof = { account: 'alice@example.com', times: [1, 2] }
const bob: Proof = { account: 'bob', times: [] }
const sealer = createSealer(deriveKey(Buffer.alloc(32, 7), 'state'))

let time: number
let state: StateStore
let records: Records<Proof>

beforeEach(() => {
  time = Date.parse('2026-01-01T00:00:00Z')
  const store = createEmbeddedState({ file: ':memory:' }, { clock: { now: () => time }, log: silentLog })
  state = slow(store)
  records = createRecords<Proof>('pending', { state, sealer })
})

afterEach(() => state.close())

test('a record is read as it was written, until its time is over', async () => {
  await records.set('id', alice, MINUTE)
  assert.deepEqual((await records.get('id'))?.value, alice)
  assert.equal(await records.get('other'), undefined)
  time += MINUTE
  assert.equal(await records.get('id'), undefined)
})

test('KM-8: the store sees neither value nor id', async () => {
  await records.set('bearer-id', alice, MINUTE)
  const key = keyOf('pending', 'bearer-id')
  const stored = await state.get(key)
  assert.ok(stored !== undefined)
  const plain = `${key} ${stored} ${Buffer.from(stored, 'base64').toString('latin1')}`
  assert.doesNotMatch(plain, /bearer-id|alice|account/)
})

test('KM-5: a value moved to another id, kind or gateway does not open', async () => {
  await records.set('alice', alice, MINUTE)
  const stored = (await state.get(keyOf('pending', 'alice'))) ?? ''
  await state.set(keyOf('pending', 'bob'), stored, MINUTE)
  await state.set(keyOf('trusted', 'alice'), stored, MINUTE)
  await assert.rejects(records.get('bob'))
  await assert.rejects(records.take('bob'))
  await assert.rejects(createRecords<Proof>('trusted', { state, sealer }).get('alice'))
  const stranger = createSealer(deriveKey(Buffer.alloc(32, 8), 'state'))
  await assert.rejects(createRecords<Proof>('pending', { state, sealer: stranger }).get('alice'))
})

/** What programs did before records said their format, kept as it was (commit e8e7e98). */
const readAsBefore = (text: string, key: string): unknown => JSON.parse(sealer.open(text, key))

test('programs of before there were formats read what is written now', async () => {
  const key = keyOf('pending', 'id')
  for (const value of [alice, bob]) {
    await records.set('id', value, MINUTE)
    const { account, times } = readAsBefore((await state.get(key)) ?? '', key) as Proof
    assert.deepEqual({ account, times }, value)
  }
  const words = createRecords<string>('session-uid', { state, sealer })
  await words.set('id', 'a text has no members', MINUTE)
  const textKey = keyOf('session-uid', 'id')
  assert.equal(readAsBefore((await state.get(textKey)) ?? '', textKey), 'a text has no members')
  assert.equal((await words.get('id'))?.value, 'a text has no members')
})

test('a record says its format, whoever writes it, and shows it to nobody', async () => {
  const key = keyOf('pending', 'id')
  const carried = { ...alice, $format: 0 }
  const written = async (): Promise<unknown> => readAsBefore((await state.get(key)) ?? '', key)
  await records.add('id', carried, MINUTE)
  assert.deepEqual(await written(), { ...alice, $format: 1 })
  const read = await records.get('id')
  assert.deepEqual(read?.value, alice)
  await records.replace('id', read?.version ?? '', bob, MINUTE)
  assert.deepEqual(await written(), { ...bob, $format: 1 })
  assert.deepEqual(await records.take('id'), bob)
})

test('a record that says nothing is one of the first format', async () => {
  const key = keyOf('pending', 'id')
  await state.set(key, sealer.seal(JSON.stringify(alice), key), MINUTE)
  assert.deepEqual((await records.get('id'))?.value, alice)
  assert.deepEqual(await records.take('id'), alice)
})

test('a format that is no number, or a newer one, is unavailable, and taking leaves it there', async () => {
  const key = keyOf('pending', 'id')
  for (const $format of [2, 1.5, '1', null, { of: 'tomorrow' }]) {
    await state.set(key, sealer.seal(JSON.stringify({ ...alice, $format }), key), MINUTE)
    await assert.rejects(records.get('id'), UnavailableError, `${$format}`)
    await assert.rejects(records.take('id'), UnavailableError, `${$format}`)
    assert.ok(await state.get(key))
  }
})

test('two kinds do not see each other', async () => {
  await records.set('id', alice, MINUTE)
  assert.equal(await createRecords<Proof>('trusted', { state, sealer }).get('id'), undefined)
})

test('add: one of twenty at the same time', async () => {
  const answers = await Promise.all(Array.from({ length: PARALLEL }, () => records.add('id', alice, MINUTE)))
  assert.equal(answers.filter(Boolean).length, 1)
})

test('take: one of twenty at the same time', async () => {
  await records.set('id', alice, MINUTE)
  const answers = await Promise.all(Array.from({ length: PARALLEL }, () => records.take('id')))
  const taken = answers.filter((answer) => answer !== undefined)
  assert.deepEqual(taken, [alice])
})

test('replace: of twenty who read the same version one writes', async () => {
  await records.set('id', { account: 'alice', times: [] }, MINUTE)
  const attempts = Array.from({ length: PARALLEL }, async (_, attempt) => {
    const read = await records.get('id')
    assert.ok(read !== undefined)
    return { attempt, read }
  })
  const replaced = (await Promise.all(attempts)).map(async ({ attempt, read }) => {
    return (await records.replace('id', read.version, { ...read.value, times: [attempt] }, MINUTE)) ? [attempt] : []
  })
  const winners = (await Promise.all(replaced)).flat()
  assert.equal(winners.length, 1)
  assert.deepEqual((await records.get('id'))?.value.times, winners)
})

test('replace: writing the same value again still makes the old version stale', async () => {
  await records.set('id', bob, MINUTE)
  const read = await records.get('id')
  assert.ok(read !== undefined)
  await records.set('id', bob, MINUTE)
  assert.equal(await records.replace('id', read.version, alice, MINUTE), false)
  assert.deepEqual((await records.get('id'))?.value, bob)
})

test('replace: a deleted record is not brought back', async () => {
  await records.set('id', bob, MINUTE)
  const read = await records.get('id')
  assert.ok(read !== undefined)
  await records.delete('id')
  assert.equal(await records.replace('id', read.version, alice, MINUTE), false)
  assert.equal(await records.get('id'), undefined)
})

test('IN-3: keys are a fixed word and a hash, and parts cannot be shifted into each other', () => {
  assert.match(keyOf('pending', 'a:b*\r\n'), /^pending:[\w-]{32}$/)
  const shifted = [
    keyOf('k', 'ab', 'c'),
    keyOf('k', 'a', 'bc'),
    keyOf('k', 'abc'),
    keyOf('k', 'abc', ''),
    keyOf('k', '1:a'),
  ]
  assert.equal(new Set([...shifted, keyOf('k', 'a', '1:')]).size, 6)
})

describe('the end of a session is marked on what was proved in it', () => {
  const clock = { now: () => time }
  let proofs: SessionProofRecords
  let begun: SessionProofs
  beforeEach(async () => {
    proofs = createSessionProofs({ state, sealer })
    begun = {
      accountId: 'alice',
      proofs: [{ method: 'password', at: time }],
      device: { id: 'device' },
      address: '203.0.113.9',
      passwordEpoch: 0,
      sessionEpoch: 0,
      startedAt: time,
      expiresAt: time + HOUR,
    }
    await proofs.set('uid', begun, HOUR)
  })

  /** As if the session was used so many times between reading and writing. */
  const usedMeanwhile = (times: number): SessionProofRecords => ({
    ...proofs,
    replace: async (...given) => (times-- > 0 ? false : proofs.replace(...given)),
  })

  test('whoever ends it hears how it stood, and so does whoever comes later; of another nothing is known', async () => {
    assert.deepEqual(await markEnded(proofs, 'uid', clock), begun)
    assert.deepEqual((await proofs.get('uid'))?.value, { ...begun, ended: true })
    assert.deepEqual(await markEnded(proofs, 'uid', clock), { ...begun, ended: true })
    assert.equal(await markEnded(proofs, 'other', clock), undefined)
  })

  for (const [name, kept, hours] of [
    ['until the session would have been over', {}, 1],
    ['until its last refresh token is over, where that is later', { keptUntil: 2 * HOUR }, 2],
  ] as const) {
    test(`the mark stays ${name}, and no longer`, async () => {
      const keptUntil = 'keptUntil' in kept ? { keptUntil: time + kept.keptUntil } : {}
      await proofs.set('uid', { ...begun, ...keptUntil }, 3 * HOUR)
      await markEnded(proofs, 'uid', clock)
      time += hours * HOUR - 1
      assert.equal((await proofs.get('uid'))?.value.ended, true)
      time += 1
      assert.equal(await proofs.get('uid'), undefined)
    })
  }

  test('it is tried ten times against a session that is being used, and then it is unavailable', async () => {
    await assert.rejects(markEnded(usedMeanwhile(10), 'uid', clock), UnavailableError)
    assert.deepEqual(await markEnded(usedMeanwhile(9), 'uid', clock), begun)
  })
})

test('a store that never answered can be closed; until then everything that is asked of it is unavailable', async () => {
  let closed = false
  const down: StateStore = {
    ...state,
    get: () => Promise.reject(new UnavailableError('state')),
    async close() {
      closed = true
    },
  }
  const store = await admitted(down, { key: 'state' }, { log: silentLog })
  await assert.rejects(store.set(keyOf('pending', 'id'), 'value', MINUTE), UnavailableError)
  await store.close()
  assert.ok(closed)
})

describe('room under several limits', () => {
  const limits: Limit[] = [
    { name: 'hour', count: 1, window: HOUR, of: ['alice'] },
    { name: 'day', count: 2, window: 24 * HOUR, of: ['alice'] },
  ]

  test('who finds none hears how long it takes, and has used up nothing', async () => {
    assert.equal(await waitUntilRoom(limits, state), undefined)
    assert.equal((await spend(limits, state)).ok, true)
    assert.equal(await waitUntilRoom(limits, state), HOUR)
    assert.deepEqual(await spend(limits, state), { ok: false, wait: HOUR })
    time += HOUR
    assert.equal((await spend(limits, state)).ok, true)
    assert.equal(await waitUntilRoom(limits, state), 23 * HOUR)
  })

  test('what cannot be given back is an outage, not an answer', async () => {
    await spend(limits, state)
    const failing = { ...state, release: () => Promise.reject(new UnavailableError('state')) }
    await assert.rejects(spend(limits, failing), UnavailableError)
  })
})
