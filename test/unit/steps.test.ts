import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { MINUTE, SECOND } from '../../src/kernel/clock.ts'
import { satisfiedBy } from '../../src/mfa/assurance/assurance.ts'
import type { Level } from '../../src/mfa/assurance/levels.ts'
import type { Authenticator, Reserve } from '../../src/mfa/factors/authenticator.ts'
import type { Binding } from '../../src/mfa/factors/binding-store.ts'
import { createEmailOtp } from '../../src/mfa/factors/email-otp/email-otp.ts'
import { KINDS } from '../../src/mfa/factors/registry.ts'
import { createTotp } from '../../src/mfa/factors/totp/totp.ts'
import { enrolmentGuards } from '../../src/mfa/policy/configured-policy.ts'
import { liveProofs, missing } from '../../src/mfa/policy/missing.ts'
import { demand, type Policy } from '../../src/mfa/policy/policy.ts'
import { type EnrolmentGuard, nextStep, type SignInFacts, type Step } from '../../src/mfa/policy/steps.ts'
import { RUNS } from '../harness/length.ts'
import { accountOf } from './factors.ts'
import { factsOf } from './facts.ts'

const mailOptions = {
  digits: 6,
  ttl: 5 * MINUTE,
  attempts: 5,
  resendAfter: MINUTE,
  maxSendsPerHour: 5,
  assurance: '2sv',
  resendsPerInteraction: 3,
  sendsPerDay: 10,
} as const
const mail = createEmailOtp(mailOptions, { mailer: undefined, codeKey: Buffer.alloc(32), serviceName: 'Example' })
const app = createTotp(
  { digits: 6, period: 30 * SECOND, window: 1, maxPerUser: 5, reshowQr: 'owner' },
  { serviceName: 'Example' },
)
const NOTHING: Reserve = { codes: 0, bypass: false }
const spare = (reserve: Reserve): Authenticator => {
  const { bind: _, ...rest } = app
  return { ...rest, type: 'spare', maxPerAccount: 2, fallback: { reserve: () => reserve } }
}
/** A kind that is still to come: bound, never usable unbound. */
const card: Authenticator = { ...app, type: 'card' }

const STARTED = 1_000_000_000_000

/** What is not given: a first sign-in at an installation with mail, both kinds allowed, and an address on record. */
interface Given {
  policy?: Partial<Policy>
  require?: Level
  requested?: Level[]
  maxAge?: number
  deny?: true
  guard?: EnrolmentGuard
  /** `none`: no mail server; the mailbox is no authenticator then. */
  mail?: 'none'
  address?: 'none'
  /** Type → when it was last used. */
  bound?: Record<string, number>
  /** `method` or `method@seconds before the interaction began`. */
  proofs?: string[]
  remembered?: true
  chosen?: string
  choosing?: true
  grace?: true
  answer?: 'postponed' | 'binding'
  /** What is left of the fallback. */
  reserve?: Reserve
  bypassed?: true
  /** This many apps are bound. */
  apps?: number
}

const ownerOf = ({ address }: Given) => accountOf('account', address === 'none' ? { email: undefined } : {})

function bindingsOf({ bound = {}, apps = 0 }: Given): Binding[] {
  const many = Array.from({ length: apps }, () => ['totp', 1] as const)
  return [...Object.entries(bound), ...many].map(([type, lastUsedAt]) => ({
    id: type,
    accountId: 'account',
    type,
    label: undefined,
    record: {},
    version: 1,
    boundAt: 0,
    lastUsedAt,
  }))
}

function proofsOf({ proofs = [] }: Given) {
  return proofs.map((text) => {
    const [method = '', before] = text.split('@')
    return { method, at: before === undefined ? STARTED + MINUTE : STARTED - Number(before) * SECOND }
  })
}

function situation(given: Given): { facts: SignInFacts; rules: Parameters<typeof nextStep>[1] } {
  const account = ownerOf(given)
  const bindings = bindingsOf(given)
  const kinds = given.mail === 'none' ? [app, card] : [mail, app, card]
  const authenticators = [...kinds, spare(given.reserve ?? NOTHING)]
  const { requested, require, maxAge, deny } = given
  const rule = {
    name: 'rule',
    when: { clients: undefined, groups: undefined, networks: undefined },
    require,
    maxAge,
    deny,
  }
  const policy: Policy = {
    secondFactor: 'required',
    methods: ['email', 'totp'],
    fallbacks: ['spare'],
    rememberDays: 30,
    grace: 'none',
    ...given.policy,
    rules: [rule],
  }
  const bound = bindings.map(({ type }) => type)
  const usableUnbound = authenticators.filter((one) => one.usableUnbound(account)).map(({ type }) => type)
  const allowed = (type: string): boolean => [...policy.methods, ...policy.fallbacks].includes(type)
  const facts: SignInFacts = {
    demanded: demand(policy, factsOf({ requested, account: { bound, usableUnbound } })),
    account,
    bindings,
    proofs: proofsOf(given),
    startedAt: STARTED,
    now: STARTED,
    bypassed: given.bypassed === true,
    remembered: given.remembered === true,
    chosen: given.chosen,
    choosing: given.choosing === true,
    graceLeft: given.grace && { signIns: 3 },
    answer: given.answer,
  }
  const { guard = 'auto' } = given
  const lookup = (method: string) => (allowed(method) ? authenticators.find(({ type }) => type === method) : undefined)
  return { facts, rules: { guard, guards: enrolmentGuards(guard, KINDS, policy), authenticators, lookup } }
}

function stepOf(given: Given): Step {
  const { facts, rules } = situation(given)
  return nextStep(facts, rules)
}

/** `verify email of email,totp before totp` */
function inWords(step: Step): string {
  const { kind } = step
  if (kind === 'choose') return `choose ${step.types}`
  if (kind === 'bind') return `bind ${step.type} of ${step.types}`
  if (kind !== 'verify') return kind
  return `verify ${step.type} of ${step.types}${step.before === undefined ? '' : ` before ${step.before}`}`
}

function table(title: string, rows: [string, Given, string][]): void {
  describe(title, () => {
    for (const [name, given, expected] of rows) test(name, () => assert.equal(inWords(stepOf(given)), expected))
  })
}

const off = { policy: { secondFactor: 'off' } } as const
const ifBound = { policy: { secondFactor: 'if-bound' } } as const
const onlyApp = { policy: { methods: ['totp'] } }
const onlyMail = { policy: { methods: ['email'] } }
const PASSWORD = ['password']
const CODES: Reserve = { codes: 1, bypass: false }
const codes = { bound: { totp: 1 }, reserve: CODES }
const bypass = { bound: { totp: 1 }, reserve: { codes: 0, bypass: true } }

table('the password comes first', [
  ['nothing proved', {}, 'password'],
  ['nothing proved where no factor is asked', off, 'password'],
  ['a code alone (FB-4)', { proofs: ['totp'], bound: { totp: 1 } }, 'password'],
  ['a remembered device alone', { remembered: true }, 'password'],
  ['a request for a level', { requested: ['mfa'] }, 'password'],
  ['a denied one is told after the password only', { deny: true }, 'password'],
  ['denied', { deny: true, proofs: PASSWORD }, 'denied'],
  ['denied, with every factor', { deny: true, proofs: ['password', 'totp'], bound: { totp: 1 } }, 'denied'],
  ['a password older than the rule allows', { maxAge: 60_000, proofs: ['password@61', 'email'] }, 'password'],
])

table('one kind allowed', [
  ['mail: the code, bound or not', { ...onlyMail, proofs: PASSWORD }, 'verify email of email'],
  ['mail, bound', { ...onlyMail, proofs: PASSWORD, bound: { email: 1 } }, 'verify email of email'],
  [
    'mail without an address: stuck, never asked for one (C6)',
    { ...onlyMail, address: 'none', proofs: PASSWORD },
    'stuck',
  ],
  [
    'mail, only an app bound: it does not count (B2)',
    { ...onlyMail, bound: { totp: 1 }, proofs: PASSWORD },
    'verify email of email',
  ],
  [
    'mail, an app proved: it does not count (B2)',
    { ...onlyMail, proofs: ['password', 'totp'] },
    'verify email of email',
  ],
  ['mail proved', { ...onlyMail, proofs: ['password', 'email'] }, 'done'],
  ['the app, bound', { ...onlyApp, bound: { totp: 1 }, proofs: PASSWORD }, 'verify totp of totp'],
  [
    'the app, unbound, no mail: the QR after the password',
    { ...onlyApp, mail: 'none', proofs: PASSWORD },
    'bind totp of totp',
  ],
  ['the app, unbound, no address', { ...onlyApp, address: 'none', proofs: PASSWORD }, 'bind totp of totp'],
  [
    'the app, unbound, an address: the mailed code first',
    { ...onlyApp, proofs: PASSWORD },
    'verify email of totp before totp',
  ],
  ['and then the QR', { ...onlyApp, proofs: ['password', 'email'] }, 'bind totp of totp'],
  [
    'the mailed code alone is no factor there',
    { ...onlyApp, proofs: ['password', 'email'], bound: { totp: 1 } },
    'verify totp of totp',
  ],
  ['proved', { ...onlyApp, proofs: ['password', 'totp'], bound: { totp: 1 } }, 'done'],
  ['a kind the installation does not have', { policy: { methods: ['webauthn'] }, proofs: PASSWORD }, 'stuck'],
])

table('both allowed (B3)', [
  ['nothing used yet: choose', { proofs: PASSWORD }, 'choose email,totp'],
  ['in the order of the file', { policy: { methods: ['totp', 'email'] }, proofs: PASSWORD }, 'choose totp,email'],
  ['no address: the app alone', { address: 'none', proofs: PASSWORD }, 'bind totp of totp'],
  ['no address, the app bound', { address: 'none', bound: { totp: 1 }, proofs: PASSWORD }, 'verify totp of totp'],
  ['only the app used', { bound: { totp: 5 }, proofs: PASSWORD }, 'verify totp of email,totp'],
  ['only mail used', { bound: { email: 5 }, proofs: PASSWORD }, 'verify email of email,totp'],
  ['the one last used: the app', { bound: { email: 5, totp: 9 }, proofs: PASSWORD }, 'verify totp of email,totp'],
  ['the one last used: mail', { bound: { email: 9, totp: 5 }, proofs: PASSWORD }, 'verify email of email,totp'],
  [
    'a bound mailbox whose address is gone',
    { address: 'none', bound: { email: 9, totp: 5 }, proofs: PASSWORD },
    'verify email of email,totp',
  ],
  ['mail picked', { chosen: 'email', bound: { totp: 9 }, proofs: PASSWORD }, 'verify email of email,totp'],
  [
    'the bound app picked',
    { chosen: 'totp', bound: { email: 9, totp: 5 }, proofs: PASSWORD },
    'verify totp of email,totp',
  ],
  ['the choice asked for', { choosing: true, bound: { totp: 9 }, proofs: PASSWORD }, 'choose email,totp'],
  [
    'the choice asked for where there is none',
    { choosing: true, address: 'none', bound: { totp: 9 }, proofs: PASSWORD },
    'verify totp of totp',
  ],
  ['a kind picked that is not allowed', { chosen: 'card', bound: { card: 9 }, proofs: PASSWORD }, 'choose email,totp'],
  ['a kind picked that does not exist', { chosen: '__proto__', proofs: PASSWORD }, 'choose email,totp'],
  ['either proved is enough: mail', { proofs: ['password', 'email'] }, 'done'],
  ['either proved is enough: the app', { proofs: ['password', 'totp'], bound: { totp: 1 } }, 'done'],
])

table('no factor is bound by a password where there is something else to prove (CVE-2023-3597, FB-2)', [
  [
    'the app picked, an address on record',
    { chosen: 'totp', proofs: PASSWORD },
    'verify email of email,totp before totp',
  ],
  [
    'and proved: the QR, in the same sign-in',
    { chosen: 'totp', proofs: ['password', 'email'] },
    'bind totp of email,totp',
  ],
  [
    'by a guard of `password` too, for mail is a factor here',
    { guard: 'password', chosen: 'totp', proofs: PASSWORD },
    'verify email of email,totp before totp',
  ],
  [
    'a guard of `password` where mail is no factor',
    { ...onlyApp, guard: 'password', proofs: PASSWORD },
    'bind totp of totp',
  ],
  ['a guard of `email`', { ...onlyApp, guard: 'email', proofs: PASSWORD }, 'verify email of totp before totp'],
  [
    'a guard of `email`, no address: nobody binds',
    { ...onlyApp, guard: 'email', address: 'none', proofs: PASSWORD },
    'stuck',
  ],
  [
    'a guard of `email` with an app bound',
    { ...onlyApp, guard: 'email', bound: { totp: 1 }, proofs: PASSWORD },
    'verify totp of totp',
  ],
  [
    'a guard of `bypass`: nobody binds by a password',
    { ...onlyApp, guard: 'bypass', proofs: PASSWORD },
    'verify spare of totp before totp',
  ],
  [
    'a guard of `bypass`, with the mailed code',
    { ...onlyApp, guard: 'bypass', proofs: ['password', 'email'] },
    'verify spare of totp before totp',
  ],
  [
    'a guard of `bypass`, with a recovery code: that is a factor and no bypass',
    { guard: 'bypass', chosen: 'totp', reserve: CODES, proofs: ['password', 'spare'], maxAge: 60_000, require: 'mfa' },
    'done',
  ],
  [
    'a guard of `bypass`, opened',
    { ...onlyApp, guard: 'bypass', bypassed: true, proofs: PASSWORD },
    'bind totp of totp',
  ],
  [
    'a bound app guards a second kind',
    { policy: { methods: ['totp', 'card'] }, address: 'none', bound: { totp: 1 }, chosen: 'card', proofs: PASSWORD },
    'verify totp of totp,card before card',
  ],
  [
    'and opens it once proved',
    {
      policy: { methods: ['totp', 'card'] },
      address: 'none',
      bound: { totp: 1 },
      chosen: 'card',
      proofs: ['password', 'totp'],
    },
    'bind card of totp,card',
  ],
  [
    'a code from before this sign-in, fresh',
    { chosen: 'totp', proofs: ['password@299', 'email@299'] },
    'bind totp of email,totp',
  ],
  [
    'and stale (FB-1)',
    { chosen: 'totp', proofs: ['password@301', 'email@301'] },
    'verify email of email,totp before totp',
  ],
  ['a stale password does not bind a first factor', { ...onlyApp, mail: 'none', proofs: ['password@301'] }, 'password'],
  ['a fresh one does', { ...onlyApp, mail: 'none', proofs: ['password@299'] }, 'bind totp of totp'],
  [
    'a device spares no guard',
    { chosen: 'totp', proofs: PASSWORD, remembered: true },
    'verify email of email,totp before totp',
  ],
])

table('a fallback is offered last, where something of it is left', [
  ['none is left', { bound: { totp: 1 }, choosing: true, proofs: PASSWORD }, 'choose email,totp'],
  ['codes: the usual page first', { ...onlyApp, ...codes, proofs: PASSWORD }, 'verify totp of totp,spare'],
  ['the choice has them', { ...onlyApp, ...codes, choosing: true, proofs: PASSWORD }, 'choose totp,spare'],
  ['picked', { ...onlyApp, ...codes, chosen: 'spare', proofs: PASSWORD }, 'verify spare of totp,spare'],
  [
    'picked, and nothing is left',
    { ...onlyApp, bound: { totp: 1 }, chosen: 'spare', proofs: PASSWORD },
    'verify totp of totp',
  ],
  ['a bypass code is offered too', { ...onlyApp, ...bypass, choosing: true, proofs: PASSWORD }, 'choose totp,spare'],
  ['proved: in', { ...onlyApp, bound: { totp: 1 }, proofs: ['password', 'spare'] }, 'done'],
  ['proved, where a rule wants mfa', { require: 'mfa', bound: { totp: 1 }, proofs: ['password', 'spare'] }, 'done'],
  [
    'too long ago',
    { ...onlyApp, ...codes, maxAge: 60_000, proofs: ['password', 'spare@61'] },
    'verify totp of totp,spare',
  ],
  ['alone it is nothing (FB-4)', { ...onlyApp, ...codes, proofs: ['spare'] }, 'password'],
  ['it never gives phr', { requested: ['phr'], ...codes, proofs: ['password', 'spare'] }, 'unmet'],
  ['it makes nobody bound (B8)', { ...ifBound, reserve: CODES, bound: { spare: 1 }, proofs: PASSWORD }, 'done'],
  [
    'whoever has nothing else gets in by it',
    { ...onlyMail, address: 'none', reserve: CODES, proofs: PASSWORD },
    'verify spare of spare',
  ],
  [
    'a request that no method reaches does not use it up',
    { ...onlyMail, requested: ['mfa'], reserve: CODES, proofs: ['password', 'email'] },
    'unmet',
  ],
  [
    'codes guard a binding: a password alone never opens one beside them (FB-2)',
    { ...onlyApp, mail: 'none', reserve: CODES, proofs: PASSWORD },
    'verify spare of totp,spare before totp',
  ],
  [
    'and open it',
    { ...onlyApp, mail: 'none', reserve: CODES, chosen: 'totp', proofs: ['password', 'spare'] },
    'bind totp of totp,spare',
  ],
])

table('an administrator’s code opens a binding and nothing else (I3)', [
  ['beside the lost app', { ...onlyApp, bound: { totp: 1 }, bypassed: true, proofs: PASSWORD }, 'bind totp of totp'],
  [
    'where both are allowed',
    { bound: { email: 9, totp: 1 }, bypassed: true, proofs: PASSWORD },
    'bind totp of email,totp',
  ],
  [
    'the mailed code, if one likes',
    { bound: { totp: 1 }, chosen: 'email', bypassed: true, proofs: PASSWORD },
    'verify email of email,totp',
  ],
  ['where mail alone is allowed', { ...onlyMail, bypassed: true, proofs: PASSWORD }, 'verify email of email'],
  ['where nothing can be bound', { ...onlyMail, address: 'none', bypassed: true, proofs: PASSWORD }, 'stuck'],
  ['whatever the guard', { ...onlyApp, guard: 'email', bypassed: true, proofs: PASSWORD }, 'bind totp of totp'],
  [
    'of several kinds one is picked',
    { policy: { methods: ['totp', 'card'] }, bypassed: true, proofs: PASSWORD },
    'choose totp,card',
  ],
  ['after a fresh password alone (FB-1)', { ...onlyApp, bypassed: true, proofs: ['password@301'] }, 'password'],
  [
    'it puts nothing off',
    { ...onlyApp, bound: { totp: 1 }, bypassed: true, grace: true, proofs: PASSWORD },
    'bind totp of totp',
  ],
  [
    'whatever was answered',
    { ...onlyApp, bound: { totp: 1 }, bypassed: true, answer: 'postponed', proofs: PASSWORD },
    'bind totp of totp',
  ],
  ['bound: in', { ...onlyApp, bound: { totp: 1 }, proofs: ['password', 'totp'] }, 'done'],
  [
    'where the account has no room for another',
    { ...onlyApp, apps: 5, bypassed: true, proofs: PASSWORD },
    'verify totp of totp',
  ],
])

table('devices, floors and requests', [
  ['a remembered device', { proofs: PASSWORD, remembered: true }, 'done'],
  [
    'where no device is remembered',
    { policy: { rememberDays: 0 }, proofs: PASSWORD, remembered: true },
    'choose email,totp',
  ],
  ['no factor asked', { ...off, proofs: PASSWORD }, 'done'],
  ['if-bound, nothing bound', { ...ifBound, proofs: PASSWORD }, 'done'],
  ['if-bound, bound (B8)', { ...ifBound, bound: { totp: 1 }, proofs: PASSWORD }, 'verify totp of email,totp'],
  [
    'a floor of mfa leaves the app',
    { require: 'mfa', bound: { email: 9, totp: 1 }, proofs: PASSWORD },
    'verify totp of totp',
  ],
  [
    'a floor of mfa, mail proved',
    { require: 'mfa', bound: { totp: 1 }, proofs: ['password', 'email'] },
    'verify totp of totp',
  ],
  [
    'a floor of mfa, nothing bound: the mailed code, then the QR',
    { require: 'mfa', proofs: PASSWORD },
    'verify email of totp before totp',
  ],
  ['and on', { require: 'mfa', proofs: ['password', 'email'] }, 'bind totp of totp'],
  [
    'a floor of mfa and a device',
    { require: 'mfa', bound: { totp: 1 }, proofs: PASSWORD, remembered: true },
    'verify totp of totp',
  ],
  ['a floor nobody can reach', { ...onlyMail, require: 'mfa', proofs: PASSWORD }, 'stuck'],
  ['a request for mfa', { requested: ['mfa'], bound: { email: 9, totp: 1 }, proofs: PASSWORD }, 'verify totp of totp'],
  [
    'a request for mfa or 2sv: either',
    { requested: ['mfa', '2sv'], bound: { email: 9 }, proofs: PASSWORD },
    'verify email of email,totp',
  ],
  [
    'a request for 2sv where policy asks nothing',
    { ...off, requested: ['2sv'], bound: { email: 1 }, proofs: PASSWORD },
    'verify email of email,totp',
  ],
  ['a request nobody can meet', { ...onlyMail, requested: ['mfa'], proofs: ['password', 'email'] }, 'unmet'],
  ['a request for phr', { requested: ['phr'], proofs: ['password', 'totp'], bound: { totp: 1 } }, 'unmet'],
  [
    'a request and a device',
    { requested: ['2sv'], bound: { email: 1 }, proofs: PASSWORD, remembered: true },
    'verify email of email,totp',
  ],
  ['a request for a password alone', { ...off, requested: ['pwd'], proofs: PASSWORD }, 'done'],
  [
    'a step-up of a session',
    { requested: ['mfa'], bound: { totp: 1 }, proofs: ['password@9000', 'email@9000'] },
    'verify totp of totp',
  ],
  [
    'a rule’s age asks for the stale proof alone (F3)',
    { maxAge: 900_000, bound: { totp: 1 }, proofs: ['password@800', 'totp@901'] },
    'verify totp of email,totp',
  ],
  ['both young enough', { maxAge: 900_000, bound: { totp: 1 }, proofs: ['password@800', 'totp@800'] }, 'done'],
])

table('a binding that may wait (B10)', [
  ['nothing bound, nothing usable', { ...onlyApp, mail: 'none', grace: true, proofs: PASSWORD }, 'bind-later'],
  ['put off', { ...onlyApp, mail: 'none', grace: true, answer: 'postponed', proofs: PASSWORD }, 'done'],
  ['not put off', { ...onlyApp, mail: 'none', grace: true, answer: 'binding', proofs: PASSWORD }, 'bind totp of totp'],
  [
    'a usable mailbox is asked for: there is nothing to wait for',
    { grace: true, proofs: PASSWORD },
    'choose email,totp',
  ],
  [
    'a bound factor is asked for',
    { ...onlyApp, bound: { totp: 1 }, grace: true, proofs: PASSWORD },
    'verify totp of totp',
  ],
  [
    'a bound factor is asked for, whatever was answered',
    { ...onlyApp, bound: { totp: 1 }, answer: 'postponed', proofs: PASSWORD },
    'verify totp of totp',
  ],
  [
    'a floor does not wait',
    { ...onlyApp, mail: 'none', require: 'mfa', grace: true, answer: 'postponed', proofs: PASSWORD },
    'bind totp of totp',
  ],
  [
    'a request does not wait',
    { ...onlyApp, mail: 'none', requested: ['mfa'], grace: true, answer: 'postponed', proofs: PASSWORD },
    'bind totp of totp',
  ],
])

const LEVELS: Level[] = ['pwd', '2sv', 'mfa', 'phr']
const kinds = fc.subarray(['email', 'totp', 'card', 'webauthn'])
const proofText = fc
  .tuple(fc.constantFrom('password', 'email', 'totp', 'card'), fc.constantFrom('', '@10', '@299', '@301', '@4000'))
  .map(([method, age]) => `${method}${age}`)
const anything: fc.Arbitrary<Given> = fc
  .record(
    {
      policy: fc.record({
        secondFactor: fc.constantFrom('required', 'if-bound', 'off'),
        methods: kinds,
        rememberDays: fc.constantFrom(0, 30),
      }),
      require: fc.constantFrom(...LEVELS),
      requested: fc.subarray(LEVELS, { minLength: 1 }),
      maxAge: fc.constantFrom(60_000, 900_000),
      deny: fc.constant(true as const),
      guard: fc.constantFrom('auto', 'password', 'email', 'bypass'),
      mail: fc.constant('none' as const),
      address: fc.constant('none' as const),
      bound: fc.dictionary(fc.constantFrom('email', 'totp', 'card'), fc.nat(100)),
      proofs: fc.array(proofText, { maxLength: 5 }),
      remembered: fc.constant(true as const),
      chosen: fc.constantFrom('email', 'totp', 'card', 'webauthn', 'nonsense'),
      choosing: fc.constant(true as const),
      grace: fc.constant(true as const),
      answer: fc.constantFrom('postponed', 'binding'),
    },
    { requiredKeys: [] },
  )
  .map((given) => given as Given)

describe('whatever happened, in whatever order', () => {
  test('nothing is done below what is demanded', () => {
    fc.assert(
      fc.property(anything, (given) => {
        const { facts, rules } = situation(given)
        if (nextStep(facts, rules).kind !== 'done') return
        const live = liveProofs(facts.proofs, facts.demanded, facts.startedAt)
        const levels = satisfiedBy(live, rules.lookup)
        const proved = live.map(({ method }) => method)
        const lacking = missing(facts.demanded, { levels, proved, remembered: facts.remembered })
        assert.equal(facts.demanded.deny, false)
        assert.ok(levels.has('pwd') && levels.has(facts.demanded.require))
        assert.ok(facts.demanded.requested?.some((level) => levels.has(level)) ?? true)
        if (lacking !== undefined) assert.deepEqual([lacking.by, facts.answer], ['policy', 'postponed'])
      }),
      RUNS,
    )
  })

  test('nobody is asked to bind without a fresh proof of what they have', () => {
    fc.assert(
      fc.property(anything, (given) => {
        const { facts, rules } = situation(given)
        const step = nextStep(facts, rules)
        if (step.kind !== 'bind') return
        const fresh = facts.proofs.filter(({ at }) => at >= STARTED - 5 * MINUTE).map(({ method }) => method)
        const has = rules.authenticators
          .filter(({ type }) => type !== step.type && facts.demanded.methods.includes(type))
          .filter((one) => facts.bindings.some(({ type }) => type === one.type) || one.usableUnbound(facts.account))
        const mailbox = given.guard !== 'password' && given.mail !== 'none' && given.address !== 'none'
        const guards = [...has.map(({ type }) => type), ...(mailbox ? ['email'] : [])]
        const enough = guards.length > 0 ? guards : PASSWORD
        assert.ok(
          enough.some((method) => fresh.includes(method)),
          inWords(step),
        )
        assert.notEqual(given.guard, 'bypass')
        assert.ok(!facts.bindings.some(({ type }) => type === step.type), 'a bound one is verified')
      }),
      RUNS,
    )
  })

  test('only allowed kinds are offered, bound or verified, the mailbox as a guard aside', () => {
    fc.assert(
      fc.property(anything, (given) => {
        const { facts, rules } = situation(given)
        const step = nextStep(facts, rules)
        const types = 'types' in step ? step.types : []
        for (const type of types) assert.ok(facts.demanded.methods.includes(type))
        if (step.kind === 'bind') assert.ok(types.includes(step.type))
        if (step.kind !== 'verify') return
        if (step.before === undefined) assert.ok(types.includes(step.type))
        else assert.ok(types.includes(step.before) && step.type !== step.before)
      }),
      RUNS,
    )
  })

  test('what reaches no second factor is not bound by whoever needs nothing', () => {
    const { facts, rules } = situation({ policy: { secondFactor: 'off' }, proofs: ['password'], chosen: 'totp' })
    assert.equal(inWords(nextStep(facts, rules)), 'verify email of email,totp before totp')
    const worthless: typeof rules.lookup = (method) => {
      const known = rules.lookup(method)
      return known && { ...known, assurance: new Set<Level>() }
    }
    assert.equal(inWords(nextStep(facts, { ...rules, lookup: worthless })), 'done')
  })

  test('every way through ends: done, unmet, stuck or denied, in a handful of steps', () => {
    fc.assert(
      fc.property(anything, fc.array(fc.nat(3), { minLength: 12, maxLength: 12 }), (given, picks) => {
        let now: Given = { ...given, choosing: undefined as never }
        const seen: string[] = []
        for (const pick of picks) {
          const step = stepOf(now)
          seen.push(inWords(step))
          if (['done', 'unmet', 'stuck', 'denied'].includes(step.kind)) return
          now = after(now, step, pick)
        }
        assert.fail(seen.join(' → '))
      }),
      RUNS,
    )
  })
})

/** The same sign-in once the person has done what the step asks. */
function after(given: Given, step: Step, pick: number): Given {
  const proofs = given.proofs ?? []
  const bound = given.bound ?? {}
  if (step.kind === 'password') return { ...given, proofs: [...proofs, 'password'] }
  if (step.kind === 'bind-later') return { ...given, answer: pick % 2 === 0 ? 'postponed' : 'binding' }
  if (step.kind === 'choose') return { ...given, chosen: `${step.types[pick % step.types.length]}` }
  if (step.kind !== 'verify' && step.kind !== 'bind') return given
  return { ...given, proofs: [...proofs, step.type], bound: { ...bound, [step.type]: 200 } }
}
