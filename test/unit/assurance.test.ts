import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { createAcrNames, requestedAcr } from '../../src/mfa/assurance/acr.ts'
import { amrOf, type MethodLookup, provenAt, satisfiedBy, union } from '../../src/mfa/assurance/assurance.ts'
import { LEVELS, PASSWORD } from '../../src/mfa/assurance/levels.ts'
import type { MethodAssurance } from '../../src/mfa/assurance/method-assurance.ts'
import type { Proof } from '../../src/mfa/factors/verifier.ts'
import { RUNS } from '../harness/length.ts'

const METHODS: Record<string, MethodAssurance> = {
  app: { amr: ['otp'], assurance: LEVELS.closed('mfa'), distinctFactor: true },
  mail: { amr: ['otp', 'mca'], assurance: LEVELS.closed('2sv'), distinctFactor: true },
  'strict mail': { amr: ['mca'], assurance: LEVELS.closed('2sv'), distinctFactor: false },
  'raised mail': { amr: ['otp', 'mca'], assurance: LEVELS.closed('mfa'), distinctFactor: true },
}
const lookup: MethodLookup = (method) => (Object.hasOwn(METHODS, method) ? METHODS[method] : undefined)
const proofs = (...methods: string[]): Proof[] => methods.map((method, at) => ({ method, at: 1000 + at }))

describe('what a sign-in is worth, a mailed code less than an app (EM-1)', () => {
  const rows: [methods: string[], levels: string, best: string | undefined, amr: string[]][] = [
    [[], '', undefined, []],
    [[PASSWORD], 'pwd', 'pwd', ['pwd']],
    [[PASSWORD, 'mail'], 'pwd 2sv', '2sv', ['pwd', 'otp', 'mca', 'mfa']],
    [[PASSWORD, 'strict mail'], 'pwd 2sv', '2sv', ['pwd', 'mca']],
    [[PASSWORD, 'raised mail'], 'pwd 2sv mfa', 'mfa', ['pwd', 'otp', 'mca', 'mfa']],
    [[PASSWORD, 'app'], 'pwd 2sv mfa', 'mfa', ['pwd', 'otp', 'mfa']],
    [[PASSWORD, 'mail', 'app'], 'pwd 2sv mfa', 'mfa', ['pwd', 'otp', 'mca', 'mfa']],
    [[PASSWORD, 'strict mail', 'app'], 'pwd 2sv mfa', 'mfa', ['pwd', 'mca', 'otp', 'mfa']],
    [['app', PASSWORD], 'pwd 2sv mfa', 'mfa', ['otp', 'pwd', 'mfa']],
    [['app'], '', undefined, ['otp']],
    [['mail', 'app'], '', undefined, ['otp', 'mca']],
    [[PASSWORD, PASSWORD], 'pwd', 'pwd', ['pwd']],
    [[PASSWORD, 'gone'], 'pwd', 'pwd', ['pwd']],
    [['gone'], '', undefined, []],
    [[PASSWORD, 'toString'], 'pwd', 'pwd', ['pwd']],
  ]
  for (const [methods, levels, best, amr] of rows) {
    test(`${methods.join(' + ') || 'nothing'}: ${levels || 'no level'}`, () => {
      const satisfied = satisfiedBy(proofs(...methods), lookup)
      assert.equal([...satisfied].join(' '), levels)
      assert.equal(LEVELS.highest(satisfied), best)
      assert.deepEqual(amrOf(proofs(...methods), lookup), amr)
    })
  }

  test('without a password there is no level, whatever else was proved (FB-4, CVE-2025-64103)', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...Object.keys(METHODS), 'gone')), (methods) => {
        assert.equal(satisfiedBy(proofs(...methods), lookup).size, 0)
        assert.ok(!amrOf(proofs(...methods), lookup).includes('mfa'))
      }),
      RUNS,
    )
  })

  test('the order of proofs never matters, and a further proof never takes a level away', () => {
    const method = fc.constantFrom(PASSWORD, ...Object.keys(METHODS), 'gone')
    fc.assert(
      fc.property(fc.array(method), method, (methods, further) => {
        const levels = satisfiedBy(proofs(...methods), lookup)
        assert.deepEqual([...satisfiedBy(proofs(...methods.toReversed()), lookup)].sort(), [...levels].sort())
        assert.ok(levels.isSubsetOf(satisfiedBy(proofs(...methods, further), lookup)))
      }),
      RUNS,
    )
  })
})

describe('when it was proved: the oldest proof that counts (OA-10)', () => {
  const given: Record<string, Proof[]> = {
    'an old password and a new code': [
      { method: PASSWORD, at: 100 },
      { method: 'app', at: 900 },
    ],
    'a new password and an old code': [
      { method: PASSWORD, at: 900 },
      { method: 'app', at: 100 },
    ],
    'a mailed code beside the app': [
      { method: PASSWORD, at: 500 },
      { method: 'app', at: 300 },
      { method: 'mail', at: 700 },
    ],
    'a password typed twice': [
      { method: PASSWORD, at: 100 },
      { method: PASSWORD, at: 400 },
    ],
    'a code without a password': [{ method: 'app', at: 100 }],
    'a method that is gone': [
      { method: PASSWORD, at: 400 },
      { method: 'gone', at: 100 },
    ],
  }
  const rows: [name: string, pwd: number | undefined, second: number | undefined, mfa: number | undefined][] = [
    ['an old password and a new code', 100, 100, 100],
    ['a new password and an old code', 900, 100, 100],
    ['a mailed code beside the app', 500, 500, 300],
    ['a password typed twice', 400, undefined, undefined],
    ['a code without a password', undefined, undefined, undefined],
    ['a method that is gone', 400, undefined, undefined],
  ]
  for (const [name, pwd, second, mfa] of rows) {
    test(name, () => {
      const list = given[name] ?? []
      assert.equal(provenAt(list, 'pwd', lookup), pwd)
      assert.equal(provenAt(list, '2sv', lookup), second)
      assert.equal(provenAt(list, 'mfa', lookup), mfa)
      assert.equal(provenAt(list, 'phr', lookup), undefined)
    })
  }

  test('of two lists the newest proof of each method is kept, in either order', () => {
    const left = [
      { method: PASSWORD, at: 1 },
      { method: 'app', at: 5 },
    ]
    const right = [
      { method: PASSWORD, at: 3 },
      { method: 'mail', at: 2 },
    ]
    const both = [
      { method: 'app', at: 5 },
      { method: 'mail', at: 2 },
      { method: PASSWORD, at: 3 },
    ]
    const sorted = (list: Proof[]) => list.toSorted((one, other) => one.method.localeCompare(other.method))
    assert.deepEqual(sorted(union(left, right)), sorted(both))
    assert.deepEqual(sorted(union(right, left)), sorted(both))
    assert.deepEqual(union([], []), [])
  })
})

const PREFIX = 'urn:stepgate:acr:'
const names = createAcrNames({})
const claim = (acr: unknown) => JSON.stringify({ id_token: { acr } })

describe('what a request asks for', () => {
  const rows: [string, Parameters<typeof requestedAcr>[0], levels: string[] | undefined, unsupported?: true][] = [
    ['nothing', {}, undefined],
    ['empty acr_values', { acr_values: '' }, undefined],
    ['spaces', { acr_values: '   ' }, undefined],
    ['one value', { acr_values: `${PREFIX}mfa` }, ['mfa']],
    ['values in their order', { acr_values: `${PREFIX}mfa ${PREFIX}2sv` }, ['mfa', '2sv']],
    ['a value twice', { acr_values: `${PREFIX}mfa ${PREFIX}mfa` }, ['mfa']],
    ['unknown values are skipped', { acr_values: `gold ${PREFIX}2sv silver` }, ['2sv']],
    ['only unknown values, voluntarily: as if nothing was asked', { acr_values: 'gold silver' }, undefined],
    ['the registered names', { acr_values: 'phr phrh' }, ['phr', 'phrh']],
    ['another type of parameter', { acr_values: ['gold'] }, undefined],
    ['a voluntary claim', { claims: claim({ values: [`${PREFIX}mfa`] }) }, ['mfa']],
    [
      'a voluntary claim loses to acr_values',
      { claims: claim({ value: `${PREFIX}mfa` }), acr_values: `${PREFIX}2sv` },
      ['2sv'],
    ],
    [
      'an essential claim wins over acr_values (CVE-2026-97176)',
      { claims: claim({ essential: true, value: `${PREFIX}mfa` }), acr_values: `${PREFIX}pwd` },
      ['mfa'],
    ],
    ['essential values', { claims: claim({ essential: true, values: ['gold', `${PREFIX}mfa`] }) }, ['mfa']],
    ['essential and unknown', { claims: claim({ essential: true, values: ['gold'] }) }, undefined, true],
    [
      'an essential claim without values names no level: acr_values still do',
      { claims: claim({ essential: true }), acr_values: `${PREFIX}mfa` },
      ['mfa'],
    ],
    ['essential without values', { claims: claim({ essential: true }) }, undefined],
    ['values that are no texts', { claims: claim({ essential: true, values: [1, null, {}] }) }, undefined],
    ['null', { claims: claim(null) }, undefined],
    [
      'an object instead of text',
      { claims: { id_token: { acr: { essential: true, value: `${PREFIX}2sv` } } } },
      ['2sv'],
    ],
    ['what is no JSON', { claims: '{' }, undefined],
    ['inherited names', { claims: '{"__proto__":{"id_token":{"acr":{"essential":true,"value":"gold"}}}}' }, undefined],
  ]
  for (const [name, params, levels, unsupported = false] of rows) {
    test(name, () => {
      const asked = requestedAcr(params, names)
      assert.deepEqual(asked.levels, levels)
      assert.equal(asked.unsupported, unsupported)
    })
  }
})

describe('names of levels', () => {
  test('by default each level has its own, and finds back', () => {
    for (const level of LEVELS.names) assert.equal(names.levelOf(names.nameOf(level)), level)
    assert.equal(names.nameOf('mfa'), `${PREFIX}mfa`)
    assert.equal(names.levelOf('toString'), undefined)
  })

  test('the configured name replaces, further ones are aliases', () => {
    const configured = createAcrNames({ mfa: ['gold', 'https://refeds.org/profile/mfa'] })
    assert.equal(configured.nameOf('mfa'), 'gold')
    assert.equal(configured.levelOf('https://refeds.org/profile/mfa'), 'mfa')
    assert.equal(configured.levelOf(`${PREFIX}mfa`), undefined)
    assert.deepEqual(configured.supported(new Set(['pwd', 'mfa'])), [
      `${PREFIX}pwd`,
      'gold',
      'https://refeds.org/profile/mfa',
    ])
  })

  test('a value reaches the floors up to its level, by each of its names; one that nobody knows reaches none', () => {
    const configured = createAcrNames({ '2sv': ['silver', 'plata'] })
    for (const value of ['silver', 'plata']) {
      const reached = LEVELS.names.filter((floor) => configured.reaches(value, floor))
      assert.deepEqual(reached, ['pwd', '2sv'], value)
    }
    for (const value of ['unknown', '', `${PREFIX}2sv`])
      assert.ok(!LEVELS.names.some((floor) => configured.reaches(value, floor)), value)
  })
})
