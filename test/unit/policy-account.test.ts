import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Account } from '../../src/accounts/account.ts'
import { MINUTE } from '../../src/kernel/clock.ts'
import { createAcrNames } from '../../src/mfa/assurance/acr.ts'
import { type MethodLookup, satisfiedBy } from '../../src/mfa/assurance/assurance.ts'
import { LEVELS, type Level } from '../../src/mfa/assurance/levels.ts'
import type { Authenticator } from '../../src/mfa/factors/authenticator.ts'
import type { BindingStore } from '../../src/mfa/factors/binding-store.ts'
import type { Proof } from '../../src/mfa/factors/verifier.ts'
import { createDecider } from '../../src/mfa/policy/decider.ts'
import { explain } from '../../src/mfa/policy/explanation.ts'
import { liveProofs, missing } from '../../src/mfa/policy/missing.ts'
import { needsOf } from '../../src/mfa/policy/needs.ts'
import { demand, type OwnPage, type Policy, type Rule } from '../../src/mfa/policy/policy.ts'
import { compare, type ReplayOutcome } from '../../src/mfa/policy/replay.ts'
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

/** What an application asks for under this policy; `rule`: one that holds for everybody. */
function asksInApplication(policy: Partial<Policy>, rule: Partial<Rule> = {}) {
  const rules: Rule[] = [{ name: 'rule', when: NOWHERE, ...rule }]
  return demand(
    { ...DEFAULT, ...policy, rules },
    {
      client: { id: 'app', require: undefined },
      address: '203.0.113.5',
      requested: undefined,
      account: { groups: [], bound: [], usableUnbound: [] },
    },
  )
}

describe('an explanation says what a sign-in would meet, and what its token would say', () => {
  const rows: [string, { policy?: Partial<Policy>; rule?: Partial<Rule>; usable?: string[] }, string, Level | null][] =
    [
      ['no factor is wanted', { policy: { secondFactor: 'off' } }, 'the password alone is enough', 'pwd'],
      ['the likeliest of those it has', { usable: ['totp', 'email'] }, 'totp would be asked for', 'mfa'],
      ['never one that is not allowed', { usable: ['card', 'email'] }, 'email would be asked for', '2sv'],
      ['the first that is allowed, where it has none', {}, 'email would be bound first', '2sv'],
      [
        'nothing that reaches what is required',
        { policy: { methods: ['email'] }, rule: { require: 'mfa' }, usable: ['email'] },
        'no allowed method reaches what is asked',
        null,
      ],
      ['nobody is let in', { rule: { deny: true }, usable: ['totp'] }, 'totp would be asked for', null],
    ]
  const acr = createAcrNames({ pwd: ['pwd'], '2sv': ['2sv'], mfa: ['mfa'] })
  for (const [name, { policy = {}, rule, usable = [] }, reason, level] of rows) {
    test(name, () => {
      const explained = explain(asksInApplication(policy, rule), { usable, acrValues: [] }, { acr, lookup })
      assert.deepEqual([explained.reasons.at(-1), explained.acr], [reason, level])
    })
  }
})

describe('a replay tells what another policy would have asked of the same person', () => {
  type Demanded = [Partial<Policy>, Partial<Rule>?]
  const off: Demanded = [{ secondFactor: 'off' }]
  const denied: Demanded = [{}, { deny: true }]
  const rows: [string, Demanded, Demanded, ReplayOutcome][] = [
    ['the same', [{}], [{}], 'same'],
    ['a further method asks nothing more', [{ methods: ['email'] }], [{}], 'same'],
    ['a method that is not accepted any more does', [{}], [{ methods: ['totp'] }], 'more'],
    ['which methods there are is nothing to whom no factor is asked of', off, [{ ...off[0], methods: [] }], 'same'],
    ['a factor', off, [{}], 'more'],
    ['none any more', [{}], off, 'less'],
    ['a higher floor', [{}], [{}, { require: 'mfa' }], 'more'],
    ['nobody is let in any more', [{}], denied, 'denied'],
    ['nobody was let in before', denied, [{}], 'less'],
    ['nobody, then as now', denied, denied, 'same'],
  ]
  for (const [name, before, after, outcome] of rows) {
    test(name, () => assert.equal(compare(asksInApplication(...before), asksInApplication(...after)), outcome))
  }
})

describe('what is bound is looked up where it decides', () => {
  const account = { id: 'anna', groups: [] as string[] } as Account
  const bindings = { list: async () => [{ type: 'totp' }] } as unknown as BindingStore
  const app = { type: 'totp', usableUnbound: () => false, amr: [], assurance: LEVELS.closed('mfa') }
  const askedBy = (secondFactor: Policy['secondFactor'], own?: OwnPage) =>
    createDecider({
      policy: { ...DEFAULT, secondFactor },
      authenticators: [app as unknown as Authenticator],
      bindings,
    }).demand({ account, client: { id: 'app', require: undefined, own }, address: '203.0.113.5', requested: undefined })

  test('where policy leaves it to the account: who has an app is asked for it', async () => {
    const [left, page] = [await askedBy('if-bound'), await askedBy('off', 'view')]
    const lacking = { levels: LEVELS.ofPassword, proved: [], remembered: false }
    assert.ok(missing(left, lacking) !== undefined)
    assert.equal(page.require, 'mfa')
    assert.equal(missing(await askedBy('off'), lacking), undefined)
  })
})
