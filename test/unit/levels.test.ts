import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { schemaOf } from '../../src/config/schema/schema.ts'
import { createAcrNames } from '../../src/mfa/assurance/acr.ts'
import { createLevels, LEVELS, type Level, type LevelRow, type Levels } from '../../src/mfa/assurance/levels.ts'
import { createAdmissions } from '../../src/mfa/policy/admission.ts'
import { reachableLevels } from '../../src/mfa/policy/configured-policy.ts'
import { type Demand, demand, type Policy } from '../../src/mfa/policy/policy.ts'
import { compare } from '../../src/mfa/policy/replay.ts'
import type { SessionProofs } from '../../src/mfa/session/session-proofs.ts'
import { createRecheck } from '../../src/provider/recheck.ts'
import { createTestClock } from '../harness/clock.ts'
import { accountOf, authenticatorOf, registryOf } from './factors.ts'
import { factsOf } from './facts.ts'

describe('the table of levels', () => {
  const set = (text: string): ReadonlySet<Level> =>
    new Set(LEVELS.names.filter((name) => text.split(' ').includes(name)))

  test('what a level satisfies beside itself', () => {
    const closed = (...levels: Level[]) => [...LEVELS.closed(...levels)].join(' ')
    assert.deepEqual(
      LEVELS.names.map((level) => closed(level)),
      ['pwd', '2sv', '2sv mfa', 'phr', 'phr phrh'],
    )
    assert.equal(closed('phrh', 'mfa'), '2sv mfa phr phrh')
    assert.equal(closed(), '')
  })

  const floors: [satisfied: string, floors: string][] = [
    ['', ''],
    ['pwd', 'pwd'],
    ['pwd 2sv', 'pwd 2sv'],
    ['pwd 2sv mfa', 'pwd 2sv mfa'],
    ['2sv mfa phr', 'pwd 2sv mfa phr'],
    ['phr', 'pwd phr'],
    ['phr phrh', 'pwd phr phrh'],
  ]
  for (const [satisfied, met] of floors) {
    test(`the floors that are met by ${satisfied || 'nobody'}: ${met || 'none'}`, () => {
      assert.equal(LEVELS.names.filter((floor) => LEVELS.meets(set(satisfied), floor)).join(' '), met)
    })
  }

  const said: [satisfied: string, highest: Level | undefined][] = [
    ['', undefined],
    ['pwd', 'pwd'],
    ['pwd 2sv mfa phr phrh', 'mfa'],
    ['2sv mfa phr', 'mfa'],
    ['phr phrh', 'phr'],
  ]
  for (const [satisfied, highest] of said) {
    test(`what a token says unasked of ${satisfied || 'nobody'}: ${highest}`, () => {
      assert.equal(LEVELS.highest(set(satisfied)), highest)
    })
  }

  test('the strongest floor of several', () => {
    assert.equal(LEVELS.strongest(['2sv', undefined, 'phr', 'mfa']), 'phr')
    assert.equal(LEVELS.strongest([undefined]), undefined)
  })

  const together: [together: (Level | undefined)[], kept: Level[]][] = [
    [[undefined], ['pwd']],
    [['pwd', '2sv', 'mfa'], ['mfa']],
    [
      ['mfa', 'phr'],
      ['phr', 'mfa'],
    ],
    [
      ['2sv', 'phr', 'pwd'],
      ['phr', '2sv'],
    ],
    [
      ['phr', 'phrh', 'mfa', '2sv'],
      ['phrh', 'mfa'],
    ],
  ]
  for (const [given, kept] of together) {
    test(`floors that all hold: ${given.join(', ')} are ${kept.join(' and ')}`, () => {
      assert.deepEqual(LEVELS.together(given), kept)
    })
  }

  test('a token says nothing of the other axis', () => {
    const names = createAcrNames({})
    assert.ok(names.reaches('phr', 'phr') && names.reaches('phr', 'pwd'))
    assert.ok(!names.reaches('phr', '2sv') && !names.reaches('phr', 'mfa'))
    assert.ok(!names.reaches('urn:stepgate:acr:mfa', 'phr'))
    assert.ok(names.reaches('urn:stepgate:acr:mfa', '2sv'))
  })

  test('a token is not raised to a floor that was not reached', () => {
    const bounds = { best: 'mfa', floor: 'phr' } as const
    assert.equal(createAcrNames({}).emitted(set('pwd 2sv mfa'), [], bounds), 'urn:stepgate:acr:mfa')
    assert.equal(createAcrNames({}).emitted(set('pwd 2sv mfa phr'), [], bounds), 'phr')
  })

  test('a table that cannot say what a second factor reaches is none', () => {
    assert.throws(() => createLevels([]))
    assert.throws(() => createLevels(LEVELS.rows.map(({ secondFactor: _, ...row }) => row)))
    assert.throws(() => createLevels(LEVELS.rows.map((row) => ({ ...row, secondFactor: true }))))
  })

  test('no authenticator says what only a password does, and none is called like it', () => {
    const passkey = authenticatorOf('passkey', { assurance: LEVELS.closed('mfa', 'phr') })
    assert.equal(registryOf(passkey).list().length, 1)
    assert.throws(() => registryOf({ ...passkey, assurance: LEVELS.closed('pwd') }))
    assert.throws(() => registryOf({ ...passkey, alone: { assurance: LEVELS.closed('pwd'), multiFactor: false } }))
    assert.throws(() => registryOf(authenticatorOf('password', {})))
  })
})

const PHR: LevelRow<Level> = {
  name: 'phr',
  acr: 'phr',
  satisfies: [],
  said: 'asked',
  alone: 'declared',
  requirable: true,
}
const without = createLevels(LEVELS.rows.filter(({ said }) => said === 'unasked'))
const within = createLevels([...without.rows, PHR])

/** With a key that reaches the further level behind a password. */
const registry = registryOf(
  authenticatorOf('app', { assurance: LEVELS.closed('mfa') }),
  authenticatorOf('key', { assurance: LEVELS.closed('mfa', 'phr') }),
)
const POLICY: Policy = {
  secondFactor: 'required',
  methods: ['app', 'key'],
  fallbacks: [],
  rememberDays: 30,
  grace: 'none',
  rules: [],
}

describe('one more row in the table, and no other line changed', () => {
  const tables: [name: string, levels: Levels, there: boolean][] = [
    ['without the row', without, false],
    ['with the row', within, true],
  ]
  for (const [name, levels, there] of tables) {
    const asked = (floors: { rule?: Level; client?: Level }): Demand => {
      const rule = { name: 'rule', when: { clients: undefined, groups: undefined, networks: undefined } }
      const policy = { ...POLICY, rules: [{ ...rule, require: floors.rule }] }
      const facts = factsOf({ client: { require: floors.client }, account: { bound: ['app', 'key'] } })
      return demand(policy, facts, levels)
    }

    test(`${name}: the file ${there ? 'may' : 'may not'} demand it, and name its acr value`, () => {
      const accepts = (part: object) =>
        schemaOf({}, levels).safeParse({ issuer: 'https://id.example.com', ...part }).success
      assert.equal(accepts({ policy: { rules: [{ name: 'rule', require: 'phr' }] } }), there)
      assert.equal(accepts({ clients: [{ client_id: 'app', require: 'phr' }] }), there)
      assert.equal(accepts({ acr: { phr: 'unphishable' } }), there)
      assert.ok(accepts({ clients: [{ client_id: 'app', require: 'mfa' }], acr: { mfa: 'gold' } }))
    })

    test(`${name}: it is ${there ? 'the highest floor' : 'no floor'}`, () => {
      assert.equal(asked({ rule: 'phr', client: 'mfa' }).require, there ? 'phr' : 'mfa')
      assert.equal(asked({ rule: 'mfa', client: 'phr' }).require, there ? 'phr' : 'mfa')
    })

    test(`${name}: discovery ${there ? 'lists' : 'does not list'} it, once a factor reaches it`, () => {
      const supported = (methods: string[]) =>
        createAcrNames({}, levels).supported(reachableLevels({ ...POLICY, methods }, registry))
      assert.equal(supported(['app', 'key']).includes('phr'), there)
      assert.equal(supported(['app']).includes('phr'), false)
    })

    test(`${name}: a refresh token that says it ${there ? 'meets that floor' : 'says nothing'}`, async () => {
      const refreshed = async (said: string): Promise<boolean> => {
        const account = accountOf('account')
        const proofs = ['password', 'key'].map((method) => ({ method, at: clock.now() }))
        const record = { accountId: account.id, proofs, passwordEpoch: 0, sessionEpoch: 0 }
        const decider = { lookup: registry.get, demand: async () => asked({ rule: there ? 'phr' : 'mfa' }) }
        const dependencies = {
          decider: { ...NEVER, ...decider },
          admissions: createAdmissions({ decider: { ...NEVER, ...decider }, devices: NEVER, clock }),
          proofs: { ...NEVER, get: async () => ({ value: record as unknown as SessionProofs, version: '1' }) },
          acr: createAcrNames({}, levels),
        }
        const token = { acr: said, sessionUid: 'uid', client: { id: 'app', require: undefined } }
        return createRecheck(dependencies)(account, token)
      }
      assert.equal(await refreshed('phr'), there)
      // What was issued at the level below is refused once the floor is above it.
      assert.equal(await refreshed('urn:stepgate:acr:mfa'), !there)
      assert.equal(await refreshed('urn:stepgate:acr:pwd'), false)
    })

    test(`${name}: a replay ${there ? 'weighs it above' : 'cannot tell it from'} what was asked before`, () => {
      assert.equal(compare(asked({ rule: 'mfa' }), asked({ rule: 'phr' }), levels), there ? 'more' : 'less')
      assert.equal(compare(asked({ rule: 'mfa' }), asked({ rule: 'mfa' }), levels), 'same')
    })
  }
})

const clock = createTestClock()
/** Ports of which nothing is asked here. */
const unasked = () => {
  throw new Error('nobody asks this')
}
const NEVER = {
  demandWith: unasked,
  hasFactor: unasked,
  needs: unasked,
  stillValid: unasked,
  set: unasked,
  add: unasked,
  replace: unasked,
  delete: unasked,
  take: unasked,
}
