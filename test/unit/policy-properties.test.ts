import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { DAY, MINUTE, SECOND } from '../../src/kernel/clock.ts'
import { createNetworks } from '../../src/kernel/network.ts'
import { createAcrNames } from '../../src/mfa/assurance/acr.ts'
import { satisfiedBy } from '../../src/mfa/assurance/assurance.ts'
import { LEVELS, type Level } from '../../src/mfa/assurance/levels.ts'
import type { Authenticator, Reserve } from '../../src/mfa/factors/authenticator.ts'
import type { Binding, BindingStore } from '../../src/mfa/factors/binding-store.ts'
import { createEmailOtp } from '../../src/mfa/factors/email-otp/email-otp.ts'
import { createTotp } from '../../src/mfa/factors/totp/totp.ts'
import type { Proof } from '../../src/mfa/factors/verifier.ts'
import { createAdmissions } from '../../src/mfa/policy/admission.ts'
import { createDecider } from '../../src/mfa/policy/decider.ts'
import { liveProofs } from '../../src/mfa/policy/missing.ts'
import { demand, type Facts, type Policy, type Rule } from '../../src/mfa/policy/policy.ts'
import { nextStep, type SignInFacts } from '../../src/mfa/policy/steps.ts'
import { RUNS } from '../harness/length.ts'
import { accountOf } from './factors.ts'
import { factsOf } from './facts.ts'

const STARTED = 1_000_000_000_000
const NETWORKS = { office: '192.0.2.0/24', home: '2001:db8::/32', all: '0.0.0.0/0' } as const
type Place = keyof typeof NETWORKS
/** Every address with the networks it is in, so that the oracle needs no arithmetic. */
const ADDRESSES: Record<string, Place[]> = {
  '192.0.2.7': ['office', 'all'],
  '2001:db8::7': ['home'],
  '203.0.113.7': ['all'],
  '': [],
}
const RANK: Record<Level, number> = { pwd: 0, '2sv': 1, mfa: 2, phr: 3, phrh: 4 }
/** What a password and this kind are worth; `fob` is allowed by some rules, but this installation does not have it. */
const WORTH: Record<string, number | undefined> = { email: 1, totp: 2, card: 2 }
const INSTALLED = Object.keys(WORTH)
/** Accepted beside all of them, and listed nowhere. */
const SPARE = 'spare'

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
const { bind: _, ...unbindable } = app
const spare: Authenticator = { ...unbindable, type: SPARE, fallback: { reserve: reserveIn } }
const authenticators: Authenticator[] = [mail, app, { ...app, type: 'card' }, spare]

function reserveIn(bindings: readonly Binding[]): Reserve {
  const [binding] = bindings.filter(({ type }) => type === SPARE)
  return { codes: binding === undefined ? 0 : 1, bypass: binding !== undefined }
}

/** A rule as the file says it. */
interface Spec extends Omit<Rule, 'when'> {
  clients?: string[]
  groups?: string[]
  places?: Place[]
}

interface Case {
  terms: Omit<Policy, 'rules'>
  specs: Spec[]
  client: string
  clientFloor: Level | undefined
  groups: string[]
  address: string
  requested: Level[] | undefined
  bound: string[]
  mailbox: boolean
  proofs: Proof[]
  remembered: boolean
  grace: boolean
  answer: 'postponed' | 'binding' | undefined
  chosen: string | undefined
  bypassed: boolean
}

const level = fc.constantFrom<Level>('pwd', '2sv', 'mfa', 'phr', 'phrh')
const reachable = fc.constantFrom<Level>('pwd', '2sv', 'mfa')
const secondFactor = fc.constantFrom('required' as const, 'if-bound' as const, 'off' as const)
const methods = fc.shuffledSubarray([...INSTALLED, 'fob'])
const waits = fc.constantFrom('none' as const, { signIns: 3 }, { within: DAY })
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined })

const spec: fc.Arbitrary<Spec> = fc
  .record(
    {
      name: fc.constantFrom('a', 'b', 'c'),
      clients: fc.subarray(['app', 'erp', 'crm']),
      groups: fc.subarray(['staff', 'board', 'left']),
      places: fc.subarray<Place>(['office', 'home', 'all']),
      secondFactor,
      methods,
      rememberDays: fc.constantFrom(0, 7),
      grace: waits,
      require: fc.oneof(reachable, level),
      maxAge: fc.constantFrom(0, MINUTE, 15 * MINUTE),
      deny: fc.oneof({ weight: 3, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
    },
    { requiredKeys: ['name'] },
  )
  .map((given) => given as Spec)

const proof: fc.Arbitrary<Proof> = fc.record({
  method: fc.constantFrom('password', 'password', 'email', 'totp', 'card', 'fob', SPARE),
  at: fc.constantFrom(30, 0, -59, -60, -61, -899, -901, -86_400).map((seconds) => STARTED + seconds * SECOND),
})

const anything: fc.Arbitrary<Case> = fc.record({
  terms: fc.record({
    secondFactor,
    methods,
    fallbacks: fc.constant([SPARE]),
    rememberDays: fc.constantFrom(0, 30),
    grace: waits,
  }),
  specs: fc.array(spec, { maxLength: 6 }),
  client: fc.constantFrom('app', 'erp'),
  clientFloor: maybe(fc.oneof(reachable, level)),
  groups: fc.subarray(['staff', 'board']),
  address: fc.constantFrom(...Object.keys(ADDRESSES)),
  requested: maybe(fc.shuffledSubarray<Level>(['pwd', '2sv', 'mfa', 'phr'], { minLength: 1 })),
  bound: fc.subarray([...INSTALLED, 'fob', SPARE]),
  mailbox: fc.boolean(),
  proofs: fc.array(proof, { maxLength: 8 }),
  remembered: fc.boolean(),
  grace: fc.boolean(),
  answer: fc.constantFrom(undefined, 'postponed' as const, 'binding' as const),
  chosen: maybe(fc.constantFrom('email', 'totp', 'card', 'fob', SPARE)),
  bypassed: fc.boolean(),
})

function ruleOf({ clients, groups, places, ...terms }: Spec): Rule {
  const networks = places && createNetworks(places.map((place) => NETWORKS[place]))
  return { ...terms, when: { clients, groups, networks } }
}

const policyOf = ({ terms, specs }: Pick<Case, 'terms' | 'specs'>): Policy => ({ ...terms, rules: specs.map(ruleOf) })

function factsIn({ client, clientFloor, groups, address, requested, bound, mailbox }: Case): Facts {
  const usableUnbound = mailbox ? ['email'] : []
  return factsOf({
    client: { id: client, require: clientFloor },
    address,
    requested,
    account: { groups, bound, usableUnbound },
  })
}

const ownerOf = ({ groups, mailbox }: Case) => accountOf('account', mailbox ? { groups } : { groups, email: undefined })

function bindingsOf({ bound }: Case): Binding[] {
  const rest = { accountId: 'account', label: undefined, record: {}, version: 1, boundAt: 0 }
  return bound.map((type, index) => ({ ...rest, id: type, type, lastUsedAt: index }))
}

function deciderOf(given: Case) {
  const bindings = { list: async () => bindingsOf(given) } as Partial<BindingStore> as BindingStore
  return createDecider({ policy: policyOf(given), authenticators, bindings })
}

function stepOf(given: Case) {
  const { lookup } = deciderOf(given)
  const facts: SignInFacts = {
    demanded: demand(policyOf(given), factsIn(given)),
    account: ownerOf(given),
    bindings: bindingsOf(given),
    proofs: given.proofs,
    startedAt: STARTED,
    now: STARTED,
    bypassed: given.bypassed,
    remembered: given.remembered,
    chosen: given.chosen,
    choosing: false,
    graceLeft: given.grace ? { signIns: 3 } : undefined,
    answer: given.answer,
  }
  return nextStep(facts, { guard: 'auto', guards: ['email'], authenticators, lookup })
}

/** A session that ended up with these proofs, let in by a device or put off where the case says so. */
function admissionOf(given: Case) {
  const demanded = demand(policyOf(given), factsIn(given))
  const stillValid = async (_id: string, { rememberDays }: { rememberDays: number }) => rememberDays > 0
  const admissions = createAdmissions({
    decider: deciderOf(given),
    devices: { stillValid },
    clock: { now: () => STARTED },
  })
  const record = {
    accountId: 'account',
    proofs: given.proofs,
    device: given.remembered ? { id: 'device' } : undefined,
    ...(given.answer === 'postponed' ? { postponed: { rule: demanded.rule, firstAt: STARTED - MINUTE } } : {}),
    address: given.address,
    passwordEpoch: 0,
    sessionEpoch: 0,
    startedAt: STARTED,
    expiresAt: STARTED + DAY,
  }
  return admissions.of(record, ownerOf(given), { demanded, asOf: undefined })
}

/** Written from the manual, not from the code. */
function matches({ clients, groups, places }: Spec, given: Case): boolean {
  const isIn = (ADDRESSES[given.address] ?? []) as string[]
  return [
    clients === undefined || clients.some((client) => client === given.client),
    groups === undefined || given.groups.some((group) => groups.some((other) => other === group)),
    places === undefined || places.some((place) => isIn.includes(place)),
  ].every(Boolean)
}

/** What the first matching rule and the default come to, and what of the proofs counts. */
function judged(given: Case) {
  const rule: Partial<Spec> = given.specs.filter((one) => matches(one, given))[0] ?? {}
  const { terms } = given
  const secondFactor = rule.secondFactor ?? terms.secondFactor
  const methods = rule.methods ?? terms.methods
  const rememberDays = rule.rememberDays ?? terms.rememberDays
  const floor = Math.max(RANK[rule.require ?? 'pwd'], RANK[given.clientFloor ?? 'pwd'])
  const oldest = STARTED - (rule.maxAge ?? Number.POSITIVE_INFINITY)
  const young = given.proofs.filter(({ at }) => at >= oldest).map(({ method }) => method)
  const factors = young.flatMap((method) =>
    method === SPARE ? 2 : methods.includes(method) ? (WORTH[method] ?? []) : [],
  )
  return {
    denied: rule.deny ?? false,
    floor,
    /** -1: not even a password. */
    reached: young.includes('password') ? Math.max(0, ...factors) : -1,
    asks:
      secondFactor === 'required' || (secondFactor === 'if-bound' && given.bound.some((it) => methods.includes(it))),
    deviceCounts: rememberDays > 0 && floor === 0 && (given.requested?.includes('pwd') ?? true),
    hasFactor: INSTALLED.some(
      (type) => methods.includes(type) && (given.bound.includes(type) || (type === 'email' && given.mailbox)),
    ),
  }
}

/** Undefined: the demand is met; else why somebody must not be let in. */
function objection(given: Case): string | undefined {
  const { denied, floor, reached, asks, deviceCounts, hasFactor } = judged(given)
  if (denied) return 'denied'
  if (reached < 0) return 'no password'
  if (reached < floor) return 'below the floor'
  // Nothing here is resistant to phishing: `phr` and `phrh` are out of reach.
  const wants = given.requested?.map((one) => RANK[one]) ?? [0]
  if (!wants.some((rank) => rank <= reached)) return 'below the request'
  if (!asks || reached > 0) return undefined
  if (given.remembered && deviceCounts) return undefined
  return given.answer === 'postponed' && !hasFactor ? undefined : 'no second factor'
}

/**
 * How many of the cases got as far as the promise: a property that is never put to the test holds always. `atLeast`
 * takes percent.
 */
function counted() {
  let count = 0
  return {
    hit: () => {
      count += 1
    },
    atLeast: (percent: number) =>
      assert.ok(count >= (percent / 100) * RUNS.numRuns, `only ${count} of ${RUNS.numRuns} cases say anything`),
  }
}

describe('whatever the rules, the request and the proofs', () => {
  test('who is let in by the pages has met the demand of the first matching rule', () => {
    const done = counted()
    const property = fc.property(anything, (given) => {
      if (stepOf(given).kind !== 'done') return
      done.hit()
      assert.equal(objection(given), undefined)
    })
    fc.assert(property, RUNS)
    done.atLeast(4)
  })

  test('who has met it, and picks nothing else, is let in', () => {
    const met = counted()
    const property = fc.property(anything, (given) => {
      if (objection(given) !== undefined) return
      met.hit()
      assert.equal(stepOf({ ...given, chosen: undefined }).kind, 'done')
    })
    fc.assert(property, RUNS)
    met.atLeast(4)
  })

  test('a session is enough only where it has met the demand', async () => {
    const admitted = counted()
    const property = fc.asyncProperty(anything, async (given) => {
      if (judged(given).denied || !(await admissionOf(given)).ok) return
      admitted.hit()
      assert.equal(objection(given), undefined)
    })
    await fc.assert(property, RUNS)
    admitted.atLeast(4)
  })

  test('a rule that denies is never done, whatever was proved', () => {
    const denied = counted()
    const property = fc.property(anything, spec, (given, closing) => {
      const closed = { ...given, specs: [{ ...closing, deny: true }, ...given.specs] }
      if (!matches(closing, given)) return
      denied.hit()
      assert.ok(['denied', 'password'].includes(stepOf(closed).kind))
    })
    fc.assert(property, RUNS)
    denied.atLeast(2)
  })

  test('the emitted value is never below the floor, and never above what was proved', () => {
    const emitted = counted()
    const values = fc.shuffledSubarray(['pwd', 'low', 'urn:stepgate:acr:2sv', 'mfa', 'high', 'phr', 'phrh', 'unknown'])
    const names = createAcrNames({ pwd: ['pwd', 'low'], mfa: ['mfa', 'high'] })
    const property = fc.property(anything, values, (given, listed) => {
      if (stepOf(given).kind !== 'done') return
      emitted.hit()
      const demanded = demand(policyOf(given), factsIn(given))
      const levels = satisfiedBy(liveProofs(given.proofs, demanded, STARTED), deciderOf(given).lookup)
      const best = LEVELS.highest(levels) ?? assert.fail('done without a level')
      const value = names.emitted(levels, listed, { best, floor: demanded.require })
      const rank = RANK[names.levelOf(value) ?? assert.fail(`${value} means nothing`)]
      const { floor, reached } = judged(given)
      assert.ok(floor <= rank && rank <= reached, `${value}: floor ${floor}, reached ${reached}`)
    })
    fc.assert(property, RUNS)
    emitted.atLeast(4)
  })
})

describe('the order of proofs', () => {
  const shuffled = anything.chain((given) => {
    const { length } = given.proofs
    return fc.tuple(fc.constant(given), fc.shuffledSubarray(given.proofs, { minLength: length, maxLength: length }))
  })

  test('changes no step', () => {
    const property = fc.property(shuffled, ([given, proofs]) =>
      assert.deepEqual(stepOf({ ...given, proofs }), stepOf(given)),
    )
    fc.assert(property, RUNS)
  })

  test('changes no admission, nor which proofs count', async () => {
    const inOrder = (proofs: readonly Proof[]) => proofs.map(({ method, at }) => `${at} ${method}`).toSorted()
    const property = fc.asyncProperty(shuffled, async ([given, proofs]) => {
      const [left, right] = await Promise.all([admissionOf(given), admissionOf({ ...given, proofs })])
      assert.equal(left.ok, right.ok)
      if (left.ok && right.ok) assert.deepEqual(inOrder(left.live), inOrder(right.live))
    })
    await fc.assert(property, RUNS)
  })

  test('a proof given twice counts as once', () => {
    const property = fc.property(anything, (given) =>
      assert.deepEqual(stepOf({ ...given, proofs: [...given.proofs, ...given.proofs] }), stepOf(given)),
    )
    fc.assert(property, RUNS)
  })
})

describe('another rule', () => {
  const answer = (given: Case, specs = given.specs) => demand(policyOf({ ...given, specs }), factsIn(given))

  test('changes nothing, wherever it stands, for facts it does not match', () => {
    const added = counted()
    const property = fc.property(anything, spec, fc.nat(6), (given, other, position) => {
      if (matches(other, given)) return
      added.hit()
      assert.deepEqual(answer(given, given.specs.toSpliced(position, 0, other)), answer(given))
    })
    fc.assert(property, RUNS)
    added.atLeast(20)
  })

  test('changes nothing behind one that matches', () => {
    const behind = counted()
    const property = fc.property(anything, spec, fc.nat(6), (given, other, position) => {
      const first = given.specs.findIndex((one) => matches(one, given))
      if (first < 0 || position <= first) return
      behind.hit()
      assert.deepEqual(answer(given, given.specs.toSpliced(position, 0, other)), answer(given))
    })
    fc.assert(property, RUNS)
    behind.atLeast(10)
  })

  test('decides where it comes first and matches', () => {
    const property = fc.property(anything, spec, (given, other) => {
      if (!matches(other, given)) return
      assert.deepEqual(answer(given, [other, ...given.specs]), answer(given, [other]))
    })
    fc.assert(property, RUNS)
  })
})
