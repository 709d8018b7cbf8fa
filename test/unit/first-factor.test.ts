import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isFresh } from '../../src/interactions/sign-in.ts'
import { MINUTE, SECOND } from '../../src/kernel/clock.ts'
import { createAcrNames } from '../../src/mfa/assurance/acr.ts'
import { amrOf, provenAt, satisfiedBy, standsFirst } from '../../src/mfa/assurance/assurance.ts'
import { LEVELS, type Level, PASSWORD } from '../../src/mfa/assurance/levels.ts'
import type { Binding } from '../../src/mfa/factors/binding-store.ts'
import { reachableLevels } from '../../src/mfa/policy/configured-policy.ts'
import { liveProofs, missing } from '../../src/mfa/policy/missing.ts'
import { demand, type Policy, type Rule } from '../../src/mfa/policy/policy.ts'
import { nextStep, type Step } from '../../src/mfa/policy/steps.ts'
import { accountOf, authenticatorOf, registryOf } from './factors.ts'
import { factsOf } from './facts.ts'

// None of today's authenticators may stand first. These stand for those that will.
const app = authenticatorOf('app', { amr: ['otp'] })
const mail = authenticatorOf('mail', { amr: ['otp', 'mca'], assurance: LEVELS.closed('2sv') })
const touch = { amr: ['pop', 'user'], assurance: LEVELS.closed('mfa', 'phr') }
/** A key that asks for its PIN. */
const passkey = authenticatorOf('passkey', {
  ...touch,
  alone: { assurance: LEVELS.closed('mfa', 'phr'), multiFactor: true },
})
/** A key that is only touched, where the operator lets it stand first. */
const bareKey = authenticatorOf('bare key', {
  ...touch,
  alone: { assurance: LEVELS.closed('phr'), multiFactor: false },
})
/** The same where it does not. */
const secondKey = authenticatorOf('second key', touch)
const registry = registryOf(app, mail, passkey, bareKey, secondKey)
const lookup = registry.get

const STARTED = 1_000_000_000_000
const proofs = (...methods: string[]) => methods.map((method) => ({ method, at: STARTED }))

describe('what a proof is worth that stands first', () => {
  const rows: [methods: string[], levels: string, best: Level | undefined, amr: string[]][] = [
    [['passkey'], '2sv mfa phr', 'mfa', ['pop', 'user', 'mfa']],
    [['bare key'], 'phr', 'phr', ['pop', 'user']],
    [['second key'], '', undefined, ['pop', 'user']],
    [['second key', 'app'], '', undefined, ['pop', 'user', 'otp']],
    [[PASSWORD, 'second key'], 'pwd 2sv mfa phr', 'mfa', ['pwd', 'pop', 'user', 'mfa']],
    [[PASSWORD, 'passkey'], 'pwd 2sv mfa phr', 'mfa', ['pwd', 'pop', 'user', 'mfa']],
    [['passkey', 'mail'], '2sv mfa phr', 'mfa', ['pop', 'user', 'otp', 'mca', 'mfa']],
    [['bare key', 'mail'], '2sv phr', '2sv', ['pop', 'user', 'otp', 'mca', 'mfa']],
    [['mail', 'bare key'], '2sv phr', '2sv', ['otp', 'mca', 'pop', 'user', 'mfa']],
  ]
  for (const [methods, levels, best, amr] of rows) {
    test(`${methods.join(' + ')}: ${levels || 'no level'}`, () => {
      const satisfied = satisfiedBy(proofs(...methods), lookup)
      assert.deepEqual(LEVELS.names.filter((level) => satisfied.has(level)).join(' '), levels)
      assert.equal(LEVELS.highest(satisfied), best)
      assert.deepEqual(amrOf(proofs(...methods), lookup), amr)
    })
  }

  test('only what its authenticator declares, and a password', () => {
    const firsts = [PASSWORD, ...registry.types(), 'gone'].filter((method) => standsFirst(method, lookup))
    assert.deepEqual(firsts, [PASSWORD, 'passkey', 'bare key'])
  })

  test('it was proved when the newest way to the level began', () => {
    const both = [
      { method: PASSWORD, at: 100 },
      { method: 'app', at: 800 },
      { method: 'passkey', at: 500 },
    ]
    const times = LEVELS.names.map((level) => provenAt(both, level, lookup))
    // The app behind the password is as old as the password; behind the passkey it is as old as that.
    assert.deepEqual(times, [100, 500, 500, 500, undefined])
    assert.equal(provenAt([{ method: 'passkey', at: 500 }], 'pwd', lookup), undefined)
  })
})

const POLICY: Policy = {
  secondFactor: 'required',
  methods: ['app', 'mail', 'passkey', 'bare key'],
  fallbacks: [],
  rememberDays: 30,
  grace: 'none',
  rules: [],
}
const RULE: Rule = { name: 'rule', when: { clients: undefined, groups: undefined, networks: undefined } }

interface Given {
  policy?: Partial<Policy>
  /** What the client requires. */
  client?: Level
  rule?: Partial<Rule>
  requested?: Level[]
  methods: string[]
  bound?: string[]
  chosen?: string
  /** Seconds before the interaction began. */
  before?: number
}

function demandOf({ policy, rule, client, requested, bound = [] }: Given) {
  const facts = factsOf({ client: { id: 'app', require: client }, requested, account: { bound } })
  return demand({ ...POLICY, ...policy, rules: [{ ...RULE, ...rule }] }, facts)
}

const proofsOf = ({ methods, before = 0 }: Given) =>
  methods.map((method) => ({ method, at: STARTED - before * SECOND }))

function lacking(given: Given) {
  const demanded = demandOf(given)
  const live = liveProofs(proofsOf(given), demanded, STARTED)
  const standing = { levels: satisfiedBy(live, lookup), proved: live.map(({ method }) => method), remembered: false }
  return missing(demanded, standing)
}

function step(given: Given): Step {
  const binding = (type: string): Binding => ({
    id: type,
    accountId: 'account',
    type,
    label: undefined,
    record: {},
    version: 1,
    boundAt: 0,
    lastUsedAt: 1,
  })
  return nextStep(
    {
      demanded: demandOf(given),
      account: accountOf('account'),
      bindings: (given.bound ?? []).map(binding),
      proofs: proofsOf(given),
      startedAt: STARTED,
      now: STARTED,
      bypassed: false,
      remembered: false,
      chosen: given.chosen,
      choosing: false,
      graceLeft: undefined,
      answer: undefined,
    },
    { guard: 'auto', guards: [], authenticators: registry.list(), lookup },
  )
}

describe('policy meets a proof that stands first', () => {
  const rows: [title: string, Given, lacking: ReturnType<typeof missing>, step: Step['kind']][] = [
    ['the passkey is two factors: nothing is missing', { methods: ['passkey'] }, undefined, 'done'],
    ['require: pwd is met by whoever signed in', { methods: ['passkey'], rule: { require: 'pwd' } }, undefined, 'done'],
    [
      'also by a single factor, where policy asks for no second one',
      { methods: ['bare key'], policy: { secondFactor: 'off' }, rule: { require: 'pwd' } },
      undefined,
      'done',
    ],
    [
      'a single factor that stands first is asked for a second one, like a password',
      { methods: ['bare key'], bound: ['app'] },
      { levels: ['2sv'], by: 'policy' },
      'verify',
    ],
    ['and is enough with it', { methods: ['bare key', 'app'], bound: ['app'] }, undefined, 'done'],
    [
      'floors on two axes hold beside each other: a bare key does not spare two factors',
      { methods: ['bare key'], rule: { require: 'mfa' }, client: 'phr' },
      { levels: ['mfa'], by: 'floor' },
      'choose',
    ],
    ['a passkey meets both', { methods: ['passkey'], rule: { require: 'mfa' }, client: 'phr' }, undefined, 'done'],
    ['require: mfa is met', { methods: ['passkey'], rule: { require: 'mfa' } }, undefined, 'done'],
    ['require: phr is met', { methods: ['passkey'], rule: { require: 'phr' } }, undefined, 'done'],
    [
      'require: mfa is not met by a single factor, however well it resists phishing',
      { methods: ['bare key'], rule: { require: 'mfa' }, bound: ['app'] },
      { levels: ['mfa'], by: 'floor' },
      'verify',
    ],
    ['a request for phr is met', { methods: ['passkey'], requested: ['phr'] }, undefined, 'done'],
    [
      'a request for pwd wants a password: a token says it of nothing else',
      { methods: ['passkey'], requested: ['pwd'] },
      { levels: ['pwd'], by: 'request' },
      'password',
    ],
    ['one for pwd or mfa does not', { methods: ['passkey'], requested: ['pwd', 'mfa'] }, undefined, 'done'],
    [
      'what is not declared to stand first is nobody (FB-4, CVE-2025-64103)',
      { methods: ['app', 'mail'], bound: ['app'], policy: { secondFactor: 'off' } },
      { levels: ['pwd'], by: 'first' },
      'password',
    ],
    [
      'a kind that is not accepted here is nobody either (B2)',
      { methods: ['passkey'], policy: { methods: ['app'] } },
      { levels: ['pwd'], by: 'first' },
      'password',
    ],
    [
      'it ages like every proof',
      { methods: ['passkey'], rule: { maxAge: MINUTE }, before: 61 },
      { levels: ['pwd'], by: 'first' },
      'password',
    ],
  ]
  for (const [title, given, expected, kind] of rows) {
    test(title, () => {
      assert.deepEqual(lacking(given), expected)
      assert.equal(step(given).kind, kind)
    })
  }

  test('proved a moment ago it opens the binding of a first other factor, and an old one does not (FB-1)', () => {
    const given: Given = { methods: ['passkey'], chosen: 'app' }
    assert.deepEqual(step(given), { kind: 'bind', type: 'app', types: ['app', 'mail', 'passkey', 'bare key'] })
    assert.equal(step({ ...given, before: 301 }).kind, 'password')
  })
})

describe('tokens of a sign-in without a password', () => {
  const names = createAcrNames({})
  const levels = satisfiedBy(proofs('passkey'), lookup)
  const emitted = (values: string[], floor: Level) => names.emitted(levels, values, { best: 'mfa', floor })

  test('never say pwd, and say phr where the request or the floor asks for it', () => {
    assert.equal(emitted([], 'pwd'), 'urn:stepgate:acr:mfa')
    assert.equal(emitted(['urn:stepgate:acr:pwd'], 'pwd'), 'urn:stepgate:acr:mfa')
    assert.equal(emitted(['phr'], 'pwd'), 'phr')
    assert.equal(emitted([], 'phr'), 'phr')
    assert.equal(emitted(['urn:stepgate:acr:mfa'], 'phr'), 'phr')
  })

  test('the levels that it reaches are in discovery', () => {
    const reached = (methods: string[]) => [...reachableLevels({ ...POLICY, methods }, registry)].sort()
    assert.deepEqual(reached(['bare key']), ['2sv', 'mfa', 'phr', 'pwd'])
    assert.deepEqual(reached(['mail']), ['2sv', 'pwd'])
  })
})

describe('what authenticates anew (X3)', () => {
  const pendingOf = (...methods: string[]) => {
    const proofs = methods.map((method) => ({ method, at: STARTED }))
    const value = { accountId: 'account', browser: 'browser', proofs, passwordEpoch: 0, sessionEpoch: 0 }
    return { pending: { value, version: '1' } }
  }
  const rows: [title: string, methods: string[], level: Level, fresh: boolean][] = [
    ['a password typed here', ['password'], 'mfa', true],
    ['a passkey that reaches the level by itself', ['passkey'], 'mfa', true],
    ['not a bare key beside an older password', ['bare key'], 'mfa', false],
    ['not a code beside an older password', ['app'], 'mfa', false],
  ]
  for (const [title, methods, level, fresh] of rows) {
    test(title, () => assert.equal(isFresh(pendingOf(...methods), level, lookup), fresh))
  }
})
