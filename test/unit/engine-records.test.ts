import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { type Adapter, type AdapterPayload, errors } from 'oidc-provider'
import { SECOND } from '../../src/kernel/clock.ts'
import { silentLog } from '../../src/kernel/log.ts'
import { createSealer, deriveKey } from '../../src/kernel/secrets.ts'
import { createAdapterFactory } from '../../src/provider/adapter.ts'
import { lifetime } from '../../src/provider/engine-records.ts'
import { createEmbeddedState } from '../../src/state/embedded.ts'
import { keyOf, type StateStore } from '../../src/state/store.ts'
import { createTestClock } from '../harness/clock.ts'
import { slow } from '../harness/slow.ts'

const HOUR_IN_SECONDS = 3600
const clock = createTestClock()
let state: StateStore
let replayed: string[]
let adapterOf: (model: string) => Adapter

beforeEach(() => {
  state = createEmbeddedState({ file: ':memory:' }, { clock, log: silentLog })
  replayed = []
  const options = { sessionTtl: HOUR_IN_SECONDS, grantTtl: HOUR_IN_SECONDS, refreshTtl: HOUR_IN_SECONDS }
  const sealer = createSealer(deriveKey(Buffer.alloc(32, 7), 'state'))
  const onReplay = (model: string, grantId: string | undefined) => void replayed.push(`${model} ${grantId}`)
  adapterOf = createAdapterFactory(options, { state: slow(state), sealer, clock, log: silentLog, onReplay })
})

afterEach(() => state.close())

test('what the engine keeps is kept a little longer, for gateways whose clock is behind', () => {
  assert.equal(lifetime(60), 75 * SECOND)
  assert.throws(() => lifetime(undefined))
})

describe('a session of the engine', () => {
  const sessionWith = (...clients: string[]): AdapterPayload => ({
    uid: 'uid',
    accountId: 'anna',
    authorizations: Object.fromEntries(clients.map((client) => [client, { sid: client }])),
  })
  const clientsOf = (session: Awaited<ReturnType<Adapter['find']>>): string[] | undefined =>
    session ? Object.keys(session.authorizations ?? {}).sort() : undefined
  let sessions: Adapter
  beforeEach(() => {
    sessions = adapterOf('Session')
  })
  const save = (id: string, ...clients: string[]) => sessions.upsert(id, sessionWith(...clients), HOUR_IN_SECONDS)

  test('is found by its id and its uid, and no other is', async () => {
    await save('id', 'app')
    assert.deepEqual(clientsOf(await sessions.find('id')), ['app'])
    assert.deepEqual(clientsOf(await sessions.findByUid('uid')), ['app'])
    assert.equal(await sessions.find('uid'), undefined)
    assert.equal(await sessions.findByUid('id'), undefined)
    // Older and newer programs look in the same place.
    assert.ok(await state.get(keyOf('session-uid', 'uid')))
  })

  test('keeps what two relying parties add at the same time', async () => {
    await save('id', 'app')
    await Promise.all([save('id', 'app', 'erp'), save('id', 'app', 'wiki')])
    assert.deepEqual(clientsOf(await sessions.find('id')), ['app', 'erp', 'wiki'])
  })

  test('that has ended is not brought back by a request under way, for a minute', async () => {
    await save('id', 'app')
    await sessions.destroy('id')
    clock.advance(60 * SECOND - 1)
    await save('id', 'app')
    assert.equal(await sessions.find('id'), undefined)
    assert.equal(await sessions.findByUid('uid'), undefined)
    clock.advance(1)
    await save('id', 'app')
    assert.deepEqual(clientsOf(await sessions.find('id')), ['app'])
  })

  test('that has got another id keeps what is saved late under the old one', async () => {
    await save('old', 'app')
    await sessions.destroy('old')
    await save('new', 'app')
    await save('old', 'app', 'late')
    assert.deepEqual(clientsOf(await sessions.find('new')), ['app', 'late'])
    assert.equal(await sessions.find('old'), undefined)
    assert.deepEqual(clientsOf(await sessions.findByUid('uid')), ['app', 'late'])
  })

  test('that has ended under its new id is not brought back under the old one', async () => {
    await save('old', 'app')
    await sessions.destroy('old')
    await save('new', 'app')
    await sessions.destroy('new')
    await save('old', 'late')
    for (const id of ['old', 'new']) assert.equal(await sessions.find(id), undefined)
    assert.equal(await sessions.findByUid('uid'), undefined)
  })
})

describe('what is good once', () => {
  const refused = {
    AuthorizationCode: errors.InvalidGrant,
    RefreshToken: errors.InvalidGrant,
    PushedAuthorizationRequest: errors.InvalidRequestUri,
  }
  for (const [model, refusal] of Object.entries(refused)) {
    test(`is used by whoever says so first, and what came of it ends with the second: ${model}`, async () => {
      const [records, tokens] = [adapterOf(model), adapterOf('AccessToken')]
      await records.upsert('id', { grantId: 'grant' }, HOUR_IN_SECONDS)
      await tokens.upsert('token', { grantId: 'grant' }, HOUR_IN_SECONDS)
      assert.deepEqual(await records.find('id'), { grantId: 'grant' })
      await records.consume('id')
      assert.equal((await records.find('id'))?.consumed, 1)
      assert.ok(await tokens.find('token'))
      await assert.rejects(records.consume('id'), refusal)
      assert.deepEqual(replayed, [`${model} grant`])
      assert.equal(await tokens.find('token'), undefined)
    })
  }
})
