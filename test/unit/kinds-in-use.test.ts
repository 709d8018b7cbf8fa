import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { AuthenticatorKind } from '../../src/mfa/factors/authenticator.ts'
import { blocksOf, boundToAddress, createRegistry, KINDS } from '../../src/mfa/factors/registry.ts'
import { enrolmentGuards, inUse } from '../../src/mfa/policy/configured-policy.ts'
import type { Policy } from '../../src/mfa/policy/policy.ts'
import type { EnrolmentGuard } from '../../src/mfa/policy/steps.ts'
import { createSmsLog } from '../factors/sms-log/sms-log.ts'
import { authenticatorOf } from './factors.ts'

const kinds: readonly AuthenticatorKind[] = [...KINDS, createSmsLog().kind]
const registry = createRegistry([
  ...['email', 'totp', 'sms-log'].map((type) => authenticatorOf(type, {})),
  authenticatorOf('recovery', { fallback: { reserve: () => ({ codes: 0, bypass: false }) } }),
])
const policyOf = (methods: string[], ofRule?: string[]): Policy => ({
  secondFactor: 'required',
  methods,
  fallbacks: ['recovery'],
  rememberDays: 0,
  grace: 'none',
  rules: [{ name: 'rule', when: { clients: undefined, groups: undefined, networks: undefined }, methods: ofRule }],
})

describe('the kinds of factor that the file uses', () => {
  const rows: [guard: EnrolmentGuard, methods: string[], ofRule: string[] | undefined, guards: string, used: string][] =
    [
      ['auto', ['totp'], undefined, 'email', 'email totp recovery'],
      ['email', ['totp'], undefined, 'email', 'email totp recovery'],
      ['password', ['totp'], undefined, '', 'totp recovery'],
      ['bypass', ['totp'], undefined, '', 'totp recovery'],
      ['auto', ['totp'], ['sms-log'], 'email sms-log', 'email totp sms-log recovery'],
      ['email', ['totp'], ['sms-log'], 'email', 'email totp sms-log recovery'],
      ['password', ['sms-log'], undefined, '', 'sms-log recovery'],
      ['password', ['email'], undefined, '', 'email recovery'],
    ]
  for (const [guard, methods, ofRule, guards, used] of rows) {
    const listed = [...methods, ...(ofRule ?? [])].join(', ')
    test(`guard ${guard}, ${listed} listed: ${used} used, guarded by ${guards || 'the password'}`, () => {
      const policy = policyOf(methods, ofRule)
      const asked = enrolmentGuards(guard, kinds, policy)
      assert.equal(asked.join(' '), guards)
      assert.equal(inUse(registry, { policy, guards: asked }).types().join(' '), used)
    })
  }

  test('a kind with a schema can be listed, and says there what it requires', () => {
    const blocks = blocksOf(kinds)
    assert.deepEqual(
      ['email', 'totp', 'sms-log', 'recovery'].map((type) => blocks[type]?.requires),
      [['mail'], [], [], undefined],
    )
    const listable = kinds.filter(({ schema }) => schema !== undefined)
    assert.deepEqual(
      Object.keys(blocks),
      listable.map(({ type }) => type),
    )
  })

  test('what is worth what the address is ends with it, whatever else needs a mail server', () => {
    const letters = createSmsLog({ type: 'letters', requires: ['mail'] }).kind
    assert.deepEqual(boundToAddress([...kinds, letters]), ['email'])
  })
})
