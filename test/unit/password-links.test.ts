import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import type { Account } from '../../src/accounts/account.ts'
import { createActivations } from '../../src/accounts/activation.ts'
import { createPasswordLinks, LINK_TTL, type PasswordLinks } from '../../src/accounts/password-links.ts'
import { HOUR, MINUTE } from '../../src/kernel/clock.ts'
import { UnavailableError } from '../../src/kernel/errors.ts'
import { silentLog } from '../../src/kernel/log.ts'
import { mayResetByMail, type ResetFacts } from '../../src/mfa/policy/reset-by-mail.ts'
import { createEmbeddedState } from '../../src/state/embedded.ts'
import type { StateKey, StateStore } from '../../src/state/store.ts'
import { isSecretAddress, withoutSecret } from '../../src/web/secret-address.ts'

describe('links to a new password', () => {
  let now = 1_800_000_000_000
  let state: StateStore
  let written: string[]
  let people: Map<string, Account>
  let links: PasswordLinks
  let resets: PasswordLinks

  function person(id: string): Account {
    const person = { id, email: `${id}@example.test`, passwordEpoch: 0, disabled: false } as Account
    people.set(id, person)
    return person
  }
  const change = (id: string, changes: Partial<Account>): void => {
    people.set(id, { ...(people.get(id) as Account), ...changes })
  }
  const idOf = (account: Account | undefined): string | undefined => account?.id

  beforeEach(() => {
    people = new Map()
    state = createEmbeddedState({ file: ':memory:' }, { clock: { now: () => now }, log: silentLog })
    written = []
    const set: StateStore['set'] = (key, value, ttl) => {
      written.push(key, value)
      return state.set(key, value, ttl)
    }
    const dependencies = { state: { ...state, set }, accounts: { find: async (id: string) => people.get(id) } }
    links = createActivations(dependencies)
    resets = createPasswordLinks('reset', dependencies)
  })
  afterEach(() => state.close())

  it('a token of 256 bits works once, also when two browsers use it at the same time', async () => {
    const token = await links.create(person('a1'))
    assert.match(token, /^[\w-]{43}$/)
    assert.equal(idOf(await links.find(token)), 'a1')
    const taken = await Promise.all([links.take(token), links.take(token)])
    assert.deepEqual(taken.map(idOf).toSorted(), ['a1', undefined])
    assert.equal(await links.find(token), undefined)
  })

  it('a link of before there were formats is good, and one of a newer program stays for who can read it', async () => {
    const token = await links.create(person('a1'))
    const [key = '', text = ''] = written as [StateKey, string]
    const [id, stamp] = text.split(' ')
    assert.equal(text, `${id} ${stamp} f1`, 'programs of before read the first two words')
    await state.set(key as StateKey, `${id} ${stamp} f2`, HOUR)
    await assert.rejects(links.find(token), UnavailableError)
    await assert.rejects(links.take(token), UnavailableError)
    assert.equal(await state.get(key as StateKey), `${id} ${stamp} f2`)
    await state.set(key as StateKey, `${id} ${stamp}`, HOUR)
    assert.equal(idOf(await links.find(token)), 'a1')
    assert.equal(idOf(await links.take(token)), 'a1')
    assert.equal(await links.take(token), undefined)
  })

  it('the store sees neither the token nor the address (KM-8)', async () => {
    const token = await links.create(person('a1'))
    assert.ok(written.length > 0 && written.every((text) => !text.includes(token) && !text.includes('example.test')))
  })

  it('a new token ends the one before, of this account and this kind alone', async () => {
    const a1 = person('a1')
    const [first, other, reset] = [await links.create(a1), await links.create(person('a2')), await resets.create(a1)]
    const second = await links.create(a1)
    assert.equal(await links.find(first), undefined)
    assert.equal(await links.take(first), undefined)
    assert.equal(idOf(await links.take(other)), 'a2')
    assert.equal(idOf(await links.take(second)), 'a1')
    assert.equal(await links.find(reset), undefined, 'of another kind')
    assert.equal(idOf(await resets.take(reset)), 'a1')
  })

  it('a token is dead after its time and after it is revoked (PW-13, PW-16)', async () => {
    assert.deepEqual([LINK_TTL.activation, LINK_TTL.reset], [24 * HOUR, 60 * MINUTE])
    for (const [kind, ttl] of [
      [links, LINK_TTL.activation],
      [resets, LINK_TTL.reset],
    ] as const) {
      const old = await kind.create(person('a1'))
      now += ttl - 1
      assert.equal(idOf(await kind.find(old)), 'a1')
      now += 1
      assert.equal(await kind.take(old), undefined)
      const revoked = await kind.create(person('a1'))
      await kind.revoke('a1')
      assert.equal(await kind.find(revoked), undefined)
      assert.equal(await kind.take(revoked), undefined)
    }
  })

  it('a change of the password or the address, disabling and removing end it (PW-16)', async () => {
    const changes: Partial<Account>[] = [
      { passwordEpoch: 1 },
      { email: 'b@example.test' },
      { email: undefined },
      { disabled: true },
    ]
    for (const changed of changes) {
      const token = await resets.create(person('a1'))
      change('a1', changed)
      assert.equal(await resets.find(token), undefined, JSON.stringify(changed))
      assert.equal(await resets.take(token), undefined, JSON.stringify(changed))
    }
    const token = await resets.create(person('a1'))
    change('a1', { factorEpoch: 7, sessionEpoch: 7, name: 'x' } as Partial<Account>)
    assert.equal(idOf(await resets.find(token)), 'a1', 'nothing else does')
    people.delete('a1')
    assert.equal(await resets.take(token), undefined)
  })

  it('what nobody handed out is nobody’s', async () => {
    for (const token of ['', 'x'.repeat(43), 'x'.repeat(10_000), '\0']) {
      assert.equal(await links.find(token), undefined)
      assert.equal(await links.take(token), undefined)
    }
  })
})

describe('an address that holds a link', () => {
  it('is known in any case, and stands in no log (LG-2)', () => {
    for (const path of ['/reset/SECRET', '/ACTIVATE/SECRET', '/activate/SECRET/more', '/reset/SECRET/']) {
      assert.equal(isSecretAddress(path), true, path)
      assert.ok(!withoutSecret(path).includes('SECRET'), path)
    }
    for (const path of ['/forgot', '/reset', '/interaction/x', '/x/reset/y']) {
      assert.equal(isSecretAddress(path), false, path)
      assert.equal(withoutSecret(path), path)
    }
  })
})

describe('a new password by mail (PW-16)', () => {
  const may = (facts: Partial<ResetFacts>, policy: Partial<ResetFacts['policy']> = {}): boolean =>
    mayResetByMail({
      mode: 'withOtherFactor',
      bound: [],
      mailed: new Set(['letter']),
      ...facts,
      policy: { secondFactor: 'required', methods: ['letter', 'app'], ...policy },
    })

  it('needs a second factor that is not the mailbox, where one is asked for', () => {
    assert.equal(may({}), false, 'who has none yet would bind the mailbox')
    assert.equal(may({ bound: ['letter'] }), false)
    assert.equal(may({ bound: ['app'] }), true)
    assert.equal(may({ bound: ['letter', 'app'] }), true)
    assert.equal(may({}, { methods: ['app'] }), false, 'a code to the mailbox may guard the binding')
    assert.equal(may({ bound: ['app'] }, { methods: ['letter'] }), false, 'an app that is not accepted is no factor')
  })

  it('is open where no second factor is asked of the account', () => {
    assert.equal(may({}, { secondFactor: 'off' }), true)
    assert.equal(may({}, { secondFactor: 'if-bound' }), true)
    assert.equal(may({ bound: ['letter'] }, { secondFactor: 'if-bound' }), false)
    assert.equal(may({ bound: ['letter'] }, { secondFactor: 'off' }), false, 'a rule may ask for it')
    assert.equal(may({ bound: ['app'] }, { secondFactor: 'if-bound' }), true)
  })

  it('always and never mean what they say', () => {
    assert.equal(may({ mode: 'always', bound: ['letter'] }), true)
    assert.equal(may({ mode: 'never', bound: ['app'] }), false)
  })
})
