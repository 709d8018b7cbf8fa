import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { MINUTE } from '../../src/kernel/clock.ts'
import { type MethodLookup, satisfiedBy } from '../../src/mfa/assurance/assurance.ts'
import { LEVELS, type Level } from '../../src/mfa/assurance/levels.ts'
import type { Proof } from '../../src/mfa/factors/verifier.ts'
import { liveProofs, missing } from '../../src/mfa/policy/missing.ts'
import { needsOf } from '../../src/mfa/policy/needs.ts'
import { demand, type OwnPage, type Policy, type Rule } from '../../src/mfa/policy/policy.ts'
import { factsOf } from './facts.ts'

const DEFAULT: Policy = {
  secondFactor: 'required',
  methods: ['email', 'totp'],
  fallbacks: ['codes'],
  rememberDays: 30,
  grace: 'none',
  rules: [],
}
const NOWHERE = { clients: undefined, groups: undefined, networks: undefined }
const WORTH: Record<string, '2sv' | 'mfa'> = { email: '2sv', totp: 'mfa', codes: 'mfa' }
const lookup: MethodLookup = (type) => {
  const assurance = WORTH[type]
  return assurance && { amr: [], assurance: LEVELS.closed(assurance), distinctFactor: true }
}

interface Given {
  own: OwnPage
  bound?: string[]
  usableUnbound?: string[]
}

function asks(policy: Partial<Policy>, { own, bound = [], usableUnbound = [] }: Given) {
  const facts = factsOf({
    client: { id: 'stepgate-account', own },
    account: { bound, usableUnbound },
    worth: (type) => lookup(type)?.assurance,
  })
  return demand({ ...DEFAULT, ...policy }, facts)
}

/** Whether these proofs, so many minutes old each, are enough. */
function enough(policy: Partial<Policy>, given: Given, ages: Record<string, number>): boolean {
  const now = 100 * MINUTE
  const proofs: Proof[] = Object.entries(ages).map(([method, age]) => ({ method, at: now - age * MINUTE }))
  const demanded = asks(policy, given)
  const live = liveProofs(proofs, demanded, now)
  const standing = { levels: satisfiedBy(live, lookup), proved: live.map(({ method }) => method), remembered: true }
  return missing(demanded, standing) === undefined
}

describe('the account page asks for the strongest factor the account has (CVE-2024-45042, FB-1, TD-7)', () => {
  const rows: [string, Partial<Policy>, Given, Level][] = [
    ['an app', {}, { own: 'view', bound: ['totp'] }, 'mfa'],
    ['a mailbox', {}, { own: 'view', usableUnbound: ['email'] }, '2sv'],
    ['both', {}, { own: 'view', bound: ['totp'], usableUnbound: ['email'] }, 'mfa'],
    ['nothing', {}, { own: 'view' }, 'pwd'],
    ['a kind that is not allowed', { methods: ['email'] }, { own: 'view', bound: ['totp'] }, 'pwd'],
    ['recovery codes alone make nothing stronger', {}, { own: 'view', bound: ['codes', 'email'] }, '2sv'],
    [
      'an app that only the rule of another application accepts',
      { methods: ['email'], rules: [{ name: 'erp', when: { ...NOWHERE, clients: ['erp'] }, methods: ['totp'] }] },
      { own: 'change', bound: ['totp'], usableUnbound: ['email'] },
      'mfa',
    ],
    [
      'an app, where a rule for the network accepts mail alone',
      { rules: [{ name: 'office', when: { ...NOWHERE, networks: () => true }, methods: ['email'] }] },
      { own: 'view', bound: ['totp'], usableUnbound: ['email'] },
      'mfa',
    ],
    ['where policy leaves it open', { secondFactor: 'off' }, { own: 'view', bound: ['totp'] }, 'mfa'],
    ['to change, the same', { secondFactor: 'if-bound' }, { own: 'change', bound: ['totp'] }, 'mfa'],
  ]
  for (const [name, policy, given, require] of rows) {
    test(name, () => {
      const demanded = asks(policy, given)
      assert.equal(demanded.require, require)
      assert.equal(demanded.rememberDays, 0)
    })
  }

  test("a rule's floor may be higher", () => {
    const rule: Rule = { name: 'all', when: NOWHERE, require: 'mfa' }
    assert.equal(asks({ rules: [rule] }, { own: 'view', usableUnbound: ['email'] }).require, 'mfa')
  })
})

describe('what is enough', () => {
  const app = { bound: ['totp'], usableUnbound: ['email'] }
  const rows: [string, Partial<Policy>, Given, Record<string, number>, boolean][] = [
    ['to look, the app of an hour ago', {}, { own: 'view', ...app }, { password: 60, totp: 60 }, true],
    ['to look, the weaker of two: no', {}, { own: 'view', ...app }, { password: 1, email: 1 }, false],
    ['to look, a code for a lost phone', {}, { own: 'view', ...app }, { password: 1, codes: 1 }, true],
    ['to change, the app of five minutes ago', {}, { own: 'change', ...app }, { password: 60, totp: 5 }, true],
    ['to change, an older one: no', {}, { own: 'change', ...app }, { password: 1, totp: 5.1 }, false],
    ['to change, the weaker one fresh: no', {}, { own: 'change', ...app }, { password: 1, email: 1, totp: 6 }, false],
    ['to change without a factor, a fresh password', { secondFactor: 'off' }, { own: 'change' }, { password: 5 }, true],
    ['and no older one', { secondFactor: 'off' }, { own: 'change' }, { password: 5.1 }, false],
    ['a remembered browser: no', {}, { own: 'view', usableUnbound: ['email'] }, { password: 0 }, false],
  ]
  for (const [name, policy, given, ages, expected] of rows) {
    test(name, () => assert.equal(enough(policy, given, ages), expected))
  }

  test('a rule that ages proofs faster goes on doing so', () => {
    const rules: Rule[] = [{ name: 'all', when: NOWHERE, maxAge: 2 * MINUTE }]
    assert.equal(enough({ rules }, { own: 'change', ...app }, { password: 1, totp: 1 }), true)
    assert.equal(enough({ rules }, { own: 'change', ...app }, { password: 3, totp: 1 }), false)
    assert.equal(enough({ rules }, { own: 'change', ...app }, { password: 1, totp: 3 }), false)
  })
})

describe('factors that have to stay (FB-7)', () => {
  const erp = { id: 'erp', require: 'mfa' as const }
  const off: Partial<Policy> = { secondFactor: 'if-bound' }
  const board: Rule = { name: 'board', when: { ...NOWHERE, groups: ['board'] }, methods: ['totp'] }
  const either: Rule = { ...board, name: 'either', when: { ...NOWHERE, groups: ['board', 'staff'] } }
  const finance: Rule = { name: 'finance', when: { ...NOWHERE, clients: ['erp'] }, secondFactor: 'required' }
  const office: Rule = { name: 'office', when: { ...NOWHERE, networks: () => true }, secondFactor: 'off' }
  const rows: [
    string,
    Partial<Policy>,
    { groups?: string[]; clients?: { id: string; require?: Level }[] },
    string[][],
  ][] = [
    ['one of those policy accepts', {}, {}, [['email', 'totp']]],
    ['none where policy leaves it to the owner', off, {}, []],
    ['one that reaches what an application wants', off, { clients: [erp] }, [['totp']]],
    [
      'one for a rule about an application',
      { ...off, rules: [finance] },
      { clients: [{ id: 'erp' }] },
      [['email', 'totp']],
    ],
    ['a rule about others says nothing', { ...off, rules: [board] }, {}, []],
    ['a rule for everything of a group stands before the rest', { rules: [board] }, { groups: ['board'] }, [['totp']]],
    [
      'and so does one of several groups, for whoever is in any',
      { rules: [either] },
      { groups: ['staff'] },
      [['totp']],
    ],
    ['being in the office today is no reason', { rules: [office] }, {}, [['email', 'totp']]],
  ]
  for (const [name, policy, { groups = [], clients = [] }, expected] of rows) {
    test(name, () => assert.deepEqual(needsOf({ ...DEFAULT, ...policy }, { groups, clients, lookup }), expected))
  }
})
