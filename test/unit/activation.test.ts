import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { ACTIVATION_TTL, type Activations, createActivations } from '../../src/accounts/activation.ts'
import { silentLog } from '../../src/kernel/log.ts'
import { createEmbeddedState } from '../../src/state/embedded.ts'
import type { StateStore } from '../../src/state/store.ts'

describe('activation tokens', () => {
  let now = 1_800_000_000_000
  let state: StateStore
  let written: string[]
  let activations: Activations

  beforeEach(() => {
    state = createEmbeddedState({ file: ':memory:' }, { clock: { now: () => now }, log: silentLog })
    written = []
    const set: StateStore['set'] = (key, value, ttl) => {
      written.push(key, value)
      return state.set(key, value, ttl)
    }
    activations = createActivations({ state: { ...state, set } })
  })
  afterEach(() => state.close())

  it('a token of 256 bits works once, also when two browsers use it at the same time', async () => {
    const token = await activations.create('a1')
    assert.match(token, /^[\w-]{43}$/)
    assert.equal(await activations.find(token), 'a1')
    const taken = await Promise.all([activations.take(token), activations.take(token)])
    assert.deepEqual(taken.toSorted(), ['a1', undefined])
    assert.equal(await activations.find(token), undefined)
  })

  it('the store never sees the token', async () => {
    const token = await activations.create('a1')
    assert.ok(written.length > 0 && written.every((text) => !text.includes(token)))
  })

  it('a new token ends the one before, of this account alone', async () => {
    const [first, other] = [await activations.create('a1'), await activations.create('a2')]
    const second = await activations.create('a1')
    assert.equal(await activations.find(first), undefined)
    assert.equal(await activations.take(first), undefined)
    assert.equal(await activations.take(other), 'a2')
    assert.equal(await activations.take(second), 'a1')
  })

  it('a token is dead after a day and after it is revoked', async () => {
    const old = await activations.create('a1')
    now += ACTIVATION_TTL
    assert.equal(await activations.take(old), undefined)
    const revoked = await activations.create('a1')
    await activations.revoke('a1')
    assert.equal(await activations.find(revoked), undefined)
    assert.equal(await activations.take(revoked), undefined)
  })

  it('what nobody handed out is nobody’s', async () => {
    assert.equal(await activations.find(''), undefined)
    assert.equal(await activations.take('x'.repeat(43)), undefined)
  })
})
