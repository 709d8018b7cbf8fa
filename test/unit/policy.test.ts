import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { MINUTE } from '../../src/kernel/clock.ts'
import type { MethodLookup } from '../../src/mfa/assurance/assurance.ts'
import { LEVELS, type Level } from '../../src/mfa/assurance/levels.ts'
import { methodsFor } from '../../src/mfa/policy/methods.ts'
import { liveProofs, missing, type Standing } from '../../src/mfa/policy/missing.ts'
import { type Demand, demand, type Policy, type Rule } from '../../src/mfa/policy/policy.ts'
import { RUNS } from '../harness/length.ts'
import { factsOf, type GivenFacts } from './facts.ts'

const DEFAULT: Policy = {
  secondFactor: 'required',
  methods: ['email', 'totp'],
  fallbacks: [],
  rememberDays: 30,
  grace: 'none',
  rules: [],
}
const NOWHERE = { clients: undefined, groups: undefined, networks: undefined }
const inOffice = (address: string): boolean => address.startsWith('192.0.2.')

const withRules = (...rules: Rule[]): Policy => ({ ...DEFAULT, rules })

describe('which rule decides: the first that matches (B7)', () => {
  const rules: Rule[] = [
    { name: 'office', when: { ...NOWHERE, networks: inOffice }, rememberDays: 90 },
    {
      name: 'finance',
      when: { ...NOWHERE, clients: ['erp'], groups: ['finance', 'board'] },
      require: 'mfa',
      methods: ['totp'],
    },
    { name: 'contractors', when: { ...NOWHERE, groups: ['contractors'], clients: ['erp'] }, deny: true },
    { name: 'erp at night', when: { ...NOWHERE, clients: ['erp'] }, maxAge: 15 * MINUTE },
    { name: 'nobody gets here', when: { ...NOWHERE, clients: ['erp'] }, secondFactor: 'off' },
  ]
  const rows: [string, GivenFacts, string | null][] = [
    ['no rule matches', {}, null],
    ['a network', { address: '192.0.2.7' }, 'office'],
    ['another network', { address: '192.0.20.7' }, null],
    ['an address that is none', { address: 'unknown' }, null],
    ['a client alone is not enough where a group is asked for too', { client: { id: 'erp' } }, 'erp at night'],
    ['client and group', { client: { id: 'erp' }, account: { groups: ['x', 'finance'] } }, 'finance'],
    ['the other group', { client: { id: 'erp' }, account: { groups: ['board'] } }, 'finance'],
    ['the group at another client', { client: { id: 'app' }, account: { groups: ['finance'] } }, null],
    [
      'the earlier of two that match',
      { client: { id: 'erp' }, account: { groups: ['contractors', 'finance'] } },
      'finance',
    ],
    ['the network first', { client: { id: 'erp' }, address: '192.0.2.1', account: { groups: ['finance'] } }, 'office'],
    ['a deny rule', { client: { id: 'erp' }, account: { groups: ['contractors'] } }, 'contractors'],
    [
      'a group by another spelling is another group',
      { client: { id: 'erp' }, account: { groups: ['Finance'] } },
      'erp at night',
    ],
  ]
  for (const [name, given, rule] of rows) {
    test(name, () => assert.equal(demand(withRules(...rules), factsOf(given)).rule, rule))
  }

  test('what a rule leaves out comes from the default, and nothing from other rules', () => {
    const asked = demand(withRules(...rules), factsOf({ client: { id: 'erp' } }))
    assert.equal(asked.maxAge, 15 * MINUTE)
    assert.equal(asked.secondFactor, 'required')
    assert.deepEqual(asked.methods, DEFAULT.methods)
    assert.equal(asked.rememberDays, 30)
    assert.equal(asked.deny, false)
    assert.equal(asked.require, 'pwd')
  })

  test('a rule without conditions matches everybody; an empty list matches nobody', () => {
    assert.equal(demand(withRules({ name: 'all', when: NOWHERE }), factsOf()).rule, 'all')
    for (const key of ['clients', 'groups'] as const) {
      assert.equal(demand(withRules({ name: 'none', when: { ...NOWHERE, [key]: [] } }), factsOf()).rule, null)
    }
  })

  test('every demand says why', () => {
    const { reasons } = demand(
      withRules(...rules),
      factsOf({ client: { id: 'erp', require: 'mfa' }, requested: ['2sv'] }),
    )
    assert.deepEqual(reasons, [
      'rule erp at night matches',
      'policy requires a second factor',
      'the client requires mfa',
      'the request asks for 2sv',
      'a proof counts for 900 s',
    ])
  })
})

describe('what is asked', () => {
  const rows: [string, Partial<Policy>, GivenFacts, Partial<Demand>][] = [
    ['required: always', { secondFactor: 'required' }, {}, { asksSecondFactor: true }],
    [
      'off: never, bound or not',
      { secondFactor: 'off' },
      { account: { bound: ['totp'] } },
      { asksSecondFactor: false },
    ],
    ['if-bound: nobody who bound nothing', { secondFactor: 'if-bound' }, {}, { asksSecondFactor: false }],
    [
      'if-bound: whoever bound one (B8)',
      { secondFactor: 'if-bound' },
      { account: { bound: ['totp'] } },
      { asksSecondFactor: true },
    ],
    [
      'if-bound: a mailbox on record is no bound factor',
      { secondFactor: 'if-bound' },
      { account: { usableUnbound: ['email'] } },
      { asksSecondFactor: false },
    ],
    [
      'if-bound: a factor of a kind that is not allowed does not count (B2)',
      { secondFactor: 'if-bound', methods: ['email'] },
      { account: { bound: ['totp'] } },
      { asksSecondFactor: false },
    ],
    ['days of the default', {}, {}, { rememberDays: 30, require: 'pwd' }],
    [
      'a client’s floor: no remembered device (E5, F4)',
      {},
      { client: { require: '2sv' } },
      { rememberDays: 0, require: '2sv' },
    ],
    ['a request for a level: none either (E5)', {}, { requested: ['mfa'] }, { rememberDays: 0, requested: ['mfa'] }],
    ['a request that a password satisfies', {}, { requested: ['pwd'] }, { rememberDays: 30 }],
    ['a request that a password satisfies among others', {}, { requested: ['mfa', 'pwd'] }, { rememberDays: 30 }],
  ]
  for (const [name, terms, given, expected] of rows) {
    test(name, () => {
      const asked = demand({ ...DEFAULT, ...terms }, factsOf(given))
      assert.deepEqual({ ...asked, ...expected }, asked)
    })
  }

  const floors: [rule: Level | undefined, client: Level | undefined, floor: Level][] = [
    [undefined, undefined, 'pwd'],
    ['2sv', undefined, '2sv'],
    [undefined, 'mfa', 'mfa'],
    ['mfa', '2sv', 'mfa'],
    ['2sv', 'mfa', 'mfa'],
    ['pwd', '2sv', '2sv'],
    ['mfa', 'mfa', 'mfa'],
    ['mfa', 'phr', 'phr'],
    ['phrh', 'phr', 'phrh'],
  ]
  for (const [rule, client, floor] of floors) {
    test(`the floors of rule ${rule} and client ${client}: ${floor}`, () => {
      const policy = withRules({ name: 'rule', when: NOWHERE, require: rule, rememberDays: 7 })
      const asked = demand(policy, factsOf({ client: { require: client } }))
      assert.equal(asked.require, floor)
      assert.equal(asked.rememberDays, floor === 'pwd' ? 7 : 0)
    })
  }
})

const PWD = new Set<Level>(['pwd'])
const TWO = new Set<Level>(['pwd', '2sv'])
const MFA = new Set<Level>(['pwd', '2sv', 'mfa'])
const asks = (given: Partial<Demand> = {}): Demand => ({ ...demand(DEFAULT, factsOf()), ...given })
const stands = (given: Partial<Standing> = {}): Standing => ({
  levels: PWD,
  proved: ['password'],
  remembered: false,
  ...given,
})
const NOTHING: Standing = { levels: new Set(), proved: [], remembered: false }
const byMail = { levels: TWO, proved: ['password', 'email'] }
const byApp = { levels: MFA, proved: ['password', 'totp'] }

describe('what is missing', () => {
  const rows: [string, Demand, Standing, ReturnType<typeof missing>][] = [
    ['nothing proved', asks(), NOTHING, { levels: ['pwd'], by: 'first' }],
    ['nothing proved, a device', asks(), { ...NOTHING, remembered: true }, { levels: ['pwd'], by: 'first' }],
    [
      'nothing proved, and policy asks nothing',
      asks({ asksSecondFactor: false }),
      NOTHING,
      { levels: ['pwd'], by: 'first' },
    ],
    ['a code without a password', asks(), { ...NOTHING, proved: ['totp'] }, { levels: ['pwd'], by: 'first' }],
    ['a password alone', asks(), stands(), { levels: ['2sv'], by: 'policy' }],
    ['a password alone where no factor is asked', asks({ asksSecondFactor: false }), stands(), undefined],
    ['a mailed code', asks(), stands(byMail), undefined],
    ['an app', asks(), stands(byApp), undefined],
    [
      'a factor that is not allowed here',
      asks({ methods: ['totp'] }),
      stands(byMail),
      { levels: ['2sv'], by: 'policy' },
    ],
    [
      'a factor that is not offered any more',
      asks({ methods: ['fob'] }),
      stands({ proved: ['password', 'fob'] }),
      { levels: ['2sv'], by: 'policy' },
    ],
    ['a remembered device', asks(), stands({ remembered: true }), undefined],
    [
      'a remembered device where none helps',
      asks({ rememberDays: 0 }),
      stands({ remembered: true }),
      { levels: ['2sv'], by: 'policy' },
    ],
    ['a floor', asks({ require: 'mfa', rememberDays: 0 }), stands(byMail), { levels: ['mfa'], by: 'floor' }],
    ['a floor and a device', asks({ require: '2sv' }), stands({ remembered: true }), { levels: ['2sv'], by: 'floor' }],
    ['a floor that is reached', asks({ require: 'mfa', rememberDays: 0 }), stands(byApp), undefined],
    [
      'a floor where policy asks nothing',
      asks({ require: '2sv', asksSecondFactor: false }),
      stands(),
      { levels: ['2sv'], by: 'floor' },
    ],
    ['a floor nobody reaches yet', asks({ require: 'phr' }), stands(byApp), { levels: ['phr'], by: 'floor' }],
    ['a request', asks({ requested: ['mfa'] }), stands(byMail), { levels: ['mfa'], by: 'request' }],
    ['a request with a choice', asks({ requested: ['phr', '2sv'] }), stands(byMail), undefined],
    [
      'a request and a device',
      asks({ requested: ['2sv'], rememberDays: 30 }),
      stands({ remembered: true }),
      { levels: ['2sv'], by: 'request' },
    ],
    ['a request for a password, and policy', asks({ requested: ['pwd'] }), stands(), { levels: ['2sv'], by: 'policy' }],
    [
      'a request where policy asks nothing',
      asks({ requested: ['mfa'], asksSecondFactor: false }),
      stands(),
      { levels: ['mfa'], by: 'request' },
    ],
    [
      'the floor comes before the request',
      asks({ require: '2sv', requested: ['mfa'] }),
      stands(),
      { levels: ['2sv'], by: 'floor' },
    ],
  ]
  for (const [name, demanded, standing, expected] of rows) {
    test(name, () => assert.deepEqual(missing(demanded, standing), expected))
  }

  test('a remembered device never makes up for a floor, a request or a password (E5, TD-7)', () => {
    const level = fc.constantFrom<Level>('pwd', '2sv', 'mfa', 'phr')
    const levels = fc.constantFrom(new Set<Level>(), PWD, TWO, MFA)
    fc.assert(
      fc.property(
        level,
        fc.option(fc.array(level, { minLength: 1 }), { nil: undefined }),
        levels,
        (require, requested, proved) => {
          const demanded = asks({ require, requested })
          const standing = { levels: proved, proved: [], remembered: true }
          if (missing(demanded, standing) !== undefined) return
          assert.ok(proved.has('pwd') && proved.has(require))
          assert.ok(requested === undefined || requested.some((each) => proved.has(each)))
        },
      ),
      RUNS,
    )
  })
})

const lookup: MethodLookup = (type) => {
  if (type === 'totp') return { amr: ['otp'], assurance: LEVELS.closed('mfa'), distinctFactor: true }
  return type === 'email' ? { amr: ['mca'], assurance: LEVELS.closed('2sv'), distinctFactor: true } : undefined
}

describe('which methods help', () => {
  const rows: [string, Partial<Demand>, Level[], string[]][] = [
    ['any, in the order offered', {}, ['2sv'], ['email', 'totp']],
    ['the other order', { methods: ['totp', 'email'] }, ['2sv'], ['totp', 'email']],
    ['only those allowed', { methods: ['email'] }, ['2sv'], ['email']],
    ['for mfa the app alone', {}, ['mfa'], ['totp']],
    ['for 2sv under a floor of mfa the app alone', { require: 'mfa' }, ['2sv'], ['totp']],
    ['for one of two levels', {}, ['phr', '2sv'], ['email', 'totp']],
    ['for phr none of ours', {}, ['phr'], []],
    ['under a floor of phr none of ours', { require: 'phr' }, ['2sv'], []],
    ['a kind this installation does not have', { methods: ['webauthn', 'totp'] }, ['2sv'], ['totp']],
    ['mfa where only mail is allowed: none', { methods: ['email'] }, ['mfa'], []],
  ]
  for (const [name, given, levels, expected] of rows) {
    test(name, () => assert.deepEqual(methodsFor(asks(given), levels, lookup), expected))
  }
})

describe('the kind of proofs (B2)', () => {
  const given = [
    { method: 'password', at: 1000 },
    { method: 'email', at: 2000 },
  ]
  test('a proof of a kind that the rule does not accept counts nothing, the password always does', () => {
    assert.deepEqual(liveProofs(given, { maxAge: undefined, methods: ['totp'], fallbacks: [] }, 3000), [given[0]])
    assert.deepEqual(liveProofs(given, { maxAge: undefined, methods: ['totp', 'email'], fallbacks: [] }, 3000), given)
  })
})

describe('the age of proofs (F3, SE-5)', () => {
  const given = [
    { method: 'password', at: 1000 },
    { method: 'totp', at: 5000 },
  ]
  const rows: [string, number | undefined, number, string[]][] = [
    ['without a limit all count', undefined, 10 ** 12, ['password', 'totp']],
    ['young enough', 5000, 6000, ['password', 'totp']],
    ['each ages by itself', 4999, 6000, ['totp']],
    ['none is left', 10, 6000, []],
    ['a proof of the future is young: the clock went back', 10, 0, ['password', 'totp']],
  ]
  for (const [name, maxAge, at, expected] of rows) {
    test(name, () =>
      assert.deepEqual(
        liveProofs(given, { maxAge, methods: ['totp'], fallbacks: [] }, at).map(({ method }) => method),
        expected,
      ),
    )
  }
})
