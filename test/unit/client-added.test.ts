import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type AddClientDependencies, type AddClientFacts, addClient } from '../../src/administration/clients/add.ts'
import type { ClientEntry } from '../../src/config/schema/client-presets.ts'
import { ConfigError } from '../../src/kernel/errors.ts'

const FACTS: AddClientFacts = { id: 'app', preset: 'web', redirects: ['https://app.example.test/back'] }

function adding(facts: Partial<AddClientFacts>, given: Partial<AddClientDependencies> = {}) {
  const inserted: ClientEntry[] = []
  const insert = (entry: ClientEntry): void => void inserted.push(entry)
  const outcome = addClient({ clients: [], read: () => undefined, insert, ...given }, { ...FACTS, ...facts })
  return { outcome, inserted }
}

test('a client is added with a secret of its own, and is only shown where it is not to be kept', () => {
  const { outcome, inserted } = adding({})
  assert.ok(outcome.ok && `${outcome.entry.client_secret}`.length > 30)
  assert.deepEqual(inserted, [outcome.entry])
  assert.ok(adding({}, { insert: undefined }).outcome.ok)
})

test('a client that cannot be is refused for a reason, and is not kept', () => {
  const read = (): void => {
    throw new ConfigError('clients[0].redirect_uris[0]', 'must be https')
  }
  const refused = (facts: Partial<AddClientFacts>, given?: Partial<AddClientDependencies>): unknown => {
    const { outcome, inserted } = adding(facts, given)
    assert.deepEqual(inserted, [])
    const { ok, ...reason } = outcome
    assert.equal(ok, false)
    return reason
  }
  assert.deepEqual(refused({ redirects: [] }), { reason: 'redirect-missing' })
  assert.deepEqual(refused({ redirects: ['nope'] }), { reason: 'redirect-broken', uri: 'nope' })
  assert.deepEqual(refused({}, { clients: [{ client_id: 'app' }] }), { reason: 'exists' })
  const problem = { reason: 'entry', key: 'redirect_uris[0]', problem: 'must be https' }
  assert.deepEqual(refused({}, { read }), problem)
  assert.ok(adding({ preset: 'machine', redirects: [] }).outcome.ok)
})

test('a mistake that is not the client’s is no outcome', () => {
  const read = (): void => {
    throw new Error('a bug')
  }
  assert.throws(() => adding({}, { read }), /^Error: a bug$/)
})
